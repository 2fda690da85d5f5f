#!/bin/sh
# Run once by the database's image, as its superuser: two ordinary users, each with a database of its
# own. Nothing of Vigil's needs more: `vigil` may make the roles that read, and a database to restore
# into.
set -eu
secrets=${SECRETS:-/run/secrets}
vigil=$(cat "$secrets/vigil_password")
dagster=$(cat "$secrets/dagster_password")
psql --set ON_ERROR_STOP=1 --set vigil="$vigil" --set dagster="$dagster" \
    --username "$POSTGRES_USER" --dbname "${POSTGRES_DB:-postgres}" --no-psqlrc --quiet <<'SQL'
CREATE ROLE vigil LOGIN NOSUPERUSER CREATEROLE CREATEDB PASSWORD :'vigil';
CREATE ROLE dagster LOGIN NOSUPERUSER PASSWORD :'dagster';
CREATE DATABASE vigil OWNER vigil;
CREATE DATABASE dagster OWNER dagster;
REVOKE CONNECT ON DATABASE vigil, dagster FROM PUBLIC;
\connect vigil
-- Only a superuser may make it; where the image has none, Vigil is plain Postgres.
SELECT EXISTS (SELECT FROM pg_available_extensions WHERE name = 'timescaledb') AS has_timescale \gset
\if :has_timescale
CREATE EXTENSION IF NOT EXISTS timescaledb;
\endif
SQL
