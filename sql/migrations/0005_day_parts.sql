-- day_parts: one row per loaded UTC day and source object that gave rows to it.
-- An object's first blocks belong to the day before, so its rows arrive with two loads.
CREATE TABLE day_parts (
    day       bigint NOT NULL REFERENCES day_state (day) ON DELETE CASCADE,
    file_id   text   NOT NULL,
    row_count bigint NOT NULL,
    sha256    text   NOT NULL,
    PRIMARY KEY (day, file_id)
);
CREATE INDEX day_parts_file ON day_parts (file_id);
