#!/bin/sh
# What every container of Vigil begins with: secrets from files, Dagster's home, then the command.
set -eu
cd "$(dirname "$0")/.."

# NAME_FILE names a file that holds the secret NAME, as orchestrators mount them.
for name in DATABASE_URL DAGSTER_PG_URL VIGIL_API_TOKEN VIGIL_WEBHOOK_URL VIGIL_WEBHOOK_SECRET \
    VIGIL_SMTP_URL VIGIL_TELEGRAM_TOKEN AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY; do
    file=$(printenv "${name}_FILE" || true)
    if [ -n "$file" ]; then
        value=$(cat "$file")
        export "$name=$value"
    fi
done

# SQLAlchemy would choose a driver that Dagster's notifications do not work with.
case "${DAGSTER_PG_URL:-}" in
    postgresql://*) export DAGSTER_PG_URL="postgresql+psycopg2://${DAGSTER_PG_URL#postgresql://}" ;;
    postgres://*) export DAGSTER_PG_URL="postgresql+psycopg2://${DAGSTER_PG_URL#postgres://}" ;;
esac
# boto3 knows the one name, everything else the other.
if [ -n "${AWS_REGION:-}" ]; then
    export AWS_DEFAULT_REGION="${AWS_DEFAULT_REGION:-$AWS_REGION}"
fi

# Dagster's configuration, with the launcher of this deployment. Renamed into its place: containers
# that share the folder never read half of it. Where it is mounted, it is as it should be.
export DAGSTER_HOME="${DAGSTER_HOME:-$PWD/dagster_home}"
mkdir -p "$DAGSTER_HOME"
if [ ! -e "$DAGSTER_HOME/dagster.yaml" ] || [ -w "$DAGSTER_HOME/dagster.yaml" ]; then
    unfinished="$DAGSTER_HOME/dagster.yaml.$$"
    cat deploy/dagster.yaml "deploy/${VIGIL_RUN_LAUNCHER:-launchers/default.yaml}" >"$unfinished"
    mv "$unfinished" "$DAGSTER_HOME/dagster.yaml"
fi

exec "$@"
