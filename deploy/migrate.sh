#!/bin/sh
# Before the services start: schemas, one process at a time, and whether all of it loads.
set -eu
cd "$(dirname "$0")/.."
python -m vigil_cli db-migrate
# Makes Dagster's tables where there are none, then says whether the assets load.
python -m vigil_cli check-definitions
dagster instance migrate
