-- Failed runs are told by the outbox too. subject_id: 63 bits of the run's number.
ALTER TABLE deliveries DROP CONSTRAINT deliveries_kind_check;
ALTER TABLE deliveries ADD CONSTRAINT deliveries_kind_check CHECK (kind IN ('alert', 'intent', 'failure'));
