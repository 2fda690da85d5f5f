CREATE EXTENSION timescaledb SCHEMA public
