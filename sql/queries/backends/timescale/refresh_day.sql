-- Outside of any transaction. Literals: relation, start, end, force.
CALL refresh_continuous_aggregate({relation}, {start}::bigint, {end}::bigint, force => {force})
