# Recipes of Vigil. `./vigil RECIPE` makes the environment first; whoever has it types `just RECIPE`.
set positional-arguments

# List the recipes
default:
    @just --list --unsorted

# The main job on simulated data, then the Dagster UI (--once exits instead)
demo *ARGS:
    @python -m vigil_cli demo "$@"

# Dagster's web server and daemon, the API and the pages
up *ARGS:
    @python -m vigil_cli up "$@"

# The API and the pages alone: api [--port N]
api *ARGS:
    @python -m vigil_cli api "$@"

# Make a key, shown this one time: api-key-create LABEL [--scope read|manage|admin] [--days N]
api-key-create *ARGS:
    @python -m vigil_cli api-key-create "$@"

# What is known of every key
api-key-list:
    @python -m vigil_cli api-key-list

# Let a key open nothing any more: api-key-revoke KEY
api-key-revoke *ARGS:
    @python -m vigil_cli api-key-revoke "$@"

# Write openapi.json
openapi:
    @python -m vigil_cli openapi

# Write vigil_assets/columns.json: what the assets say of their columns
columns:
    @python -m vigil_cli columns

# Materialize the days START … END: backfill START END [--select ASSETS] [--force | --failed]
backfill *ARGS:
    @python -m vigil_cli backfill "$@"

# Raw objects → Parquet only: fetch-data START END
fetch-data *ARGS:
    @python -m vigil_cli fetch-data "$@"

# Parquet → DATABASE_URL: cloud-load START END
cloud-load *ARGS:
    @python -m vigil_cli cloud-load "$@"

# Parquet → the embedded database: local-load START END
local-load *ARGS:
    @python -m vigil_cli local-load "$@"

# Some traders of DATABASE_URL as a lake: cloud-sample START END [--one-in N] [--to FOLDER]
cloud-sample *ARGS:
    @python -m vigil_cli cloud-sample "$@"

# Start the embedded Postgres and leave it running
db-local-up:
    @python -m vigil_cli db-local-up

# Stop the embedded Postgres
db-local-down:
    @python -m vigil_cli db-local-down

# Install or upgrade the schema
db-migrate:
    @python -m vigil_cli db-migrate

# Other names of db-migrate: one transaction installs all
alias db-base := db-migrate
alias db-aggregates := db-migrate

# The same, always on the embedded database
db-local-migrate:
    @python -m vigil_cli db-local-migrate

# Build what is stale: aggregates, then profiles
db-refresh:
    @python -m vigil_cli db-refresh

# The same, always on the embedded database
db-local-refresh:
    @python -m vigil_cli db-local-refresh

# Rows, days, traders, classes, freshness, sizes
db-stats:
    @python -m vigil_cli db-stats

# The same, always of the embedded database
db-local-stats:
    @python -m vigil_cli db-local-stats

# Run SQL read-only: db-query "SELECT …"
db-query *ARGS:
    @python -m vigil_cli db-query "$@"

# psql on the database
db-shell *ARGS:
    @python -m vigil_cli db-shell "$@"

# Drop and recreate the database (asks; --yes-drop NAME does not)
db-reset *ARGS:
    @python -m vigil_cli db-reset "$@"

# Back the database up: db-backup NAME.dump or a folder [--desk-only]
db-backup *ARGS:
    @python -m vigil_cli db-backup "$@"

# Restore a backup into an empty database (asks; --yes-into NAME does not)
db-restore *ARGS:
    @python -m vigil_cli db-restore "$@"

# Traders of an exported leaderboard (JSON or CSV): import-leaderboard FILE
import-leaderboard *ARGS:
    @python -m vigil_cli import-leaderboard "$@"

# Messages of an exported Telegram chat: import-chat result.json
import-chat *ARGS:
    @python -m vigil_cli import-chat "$@"

# Read along in the chats of a Telegram bot, until Ctrl-C (--once: what is there)
telegram-poll *ARGS:
    @python -m vigil_cli telegram-poll "$@"

# Fills of watched accounts and trades as the exchange streams them, until Ctrl-C: live [--once|--seconds N]
live *ARGS:
    @python -m vigil_cli live "$@"

# A report over all that is loaded, with charts
analyze:
    @python -m vigil_cli analyze

# Smart money whose first fill is recent: find-new-smart-money [--all] [--cutoff DATE] [-w N] [--lambda]
find-new-smart-money *ARGS:
    @python -m vigil_cli find-new-smart-money "$@"

# Put the way to the exchange into your own AWS account
lambda-deploy:
    @python -m vigil_cli lambda-deploy

# Whether that way works, and who else could use it
lambda-test:
    @python -m vigil_cli lambda-test

# Remove it
lambda-delete:
    @python -m vigil_cli lambda-delete

# What copying some traders over some days would have given: backtest FILE.json
backtest *ARGS:
    @python -m vigil_cli backtest "$@"

# The measured comparisons: bench [ingest|stages|warehouse|fifo|artemis|sizes|metrics|persistence|backtests|backfills|pages|arrivals|live|spark|fan_out]
bench *ARGS:
    @python -m bench "$@"

# The daily relations on Spark, over the lake, as Parquet: spark-aggregates START END [--master URL] [--to FOLDER] [--profiles] [--conf NAME=VALUE]
spark-aggregates *ARGS:
    @python -m vigil_cli spark-aggregates "$@"

# Remove local data (asks)
clean *ARGS:
    @python -m vigil_cli clean "$@"

# Size of the local data
disk:
    @python -m vigil_cli disk

# Format, types, then the default tests
test *ARGS: lint
    python -m pytest -n 2 --dist loadfile -q "$@"

# The tests that take minutes
test-slow *ARGS:
    python -m pytest -m slow -n 2 --dist loadfile -q "$@"

# Small runs of the attacks of chaos
test-campaigns *ARGS:
    python -m pytest -m campaign -q "$@"

# Format and types
lint:
    ruff check .
    ruff format --check .
    mypy
    bandit -q -c pyproject.toml -r vigil_api vigil_assets vigil_cli vigil_core vigil_resources vigil_sandbox chaos deploy/lambda vigil

# Write sbom.cdx.json: what requirements.lock installs, as CycloneDX
sbom:
    @python -W ignore -m cyclonedx_py requirements requirements.lock --pyproject pyproject.toml --output-reproducible --of JSON -o sbom.cdx.json

# Whether Dagster can load everything
check-definitions:
    python -m vigil_cli check-definitions

# Copy the scripts of package-lock.json into the pages (needs npm)
vendor:
    @python -m vigil_cli vendor

# Decide about alerts of followed traders by what is known now, and send what waits
alerts:
    @python -m vigil_cli alerts

# Write requirements.lock anew from pyproject.toml, and the list of what it installs
lock: && sbom
    uv pip compile --universal --generate-hashes --no-header --no-annotate --no-emit-index-url --extra dev --extra production --python-version 3.11 pyproject.toml -o requirements.lock -q

# Attacks on what is promised: chaos [NAME …] [--all] [--seed S] [--lanes 1|2] [--table]; without a name, lists them
chaos *ARGS:
    @python -m chaos "$@"
