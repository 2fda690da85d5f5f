"""`python -m vigil_cli RECIPE …`: what the justfile calls."""

import argparse
import errno
import logging
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from psycopg import Error as DatabaseError

from vigil_cli import database, disk, sample, sources
from vigil_cli.backtest import backtest
from vigil_cli.ready import dagster_ready
from vigil_cli.say import say
from vigil_core.errors import VigilError
from vigil_resources.logs import to_standard_error
from vigil_resources.settings import PROJECT_ROOT, Settings
from vigil_resources.wiring import embedded_postgres

_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EROFS}


def main() -> int:
    """Run one recipe; 0 only if it did all it was asked to."""
    arguments = _parser().parse_args()
    settings = Settings.from_environment()
    if settings.log_format == "json":
        to_standard_error(settings)
    try:
        return _run(arguments.recipe, arguments, settings) or 0
    except (VigilError, DatabaseError) as error:
        say(settings, f"vigil: {error}", logging.ERROR, recipe=arguments.recipe)
        return 1
    except OSError as error:
        if error.errno not in _NO_ROOM:
            raise
        say(settings, f"vigil: no room: {error}", logging.ERROR, recipe=arguments.recipe)
        return 1
    except KeyboardInterrupt:
        print("vigil: stopped; the same recipe goes on where it was", file=sys.stderr)
        return 130


def _run(recipe: str, arguments: argparse.Namespace, settings: Settings) -> int | None:
    here = database.local(settings) if "local" in recipe else settings
    # Dagster and the plots take seconds to import: only the recipes that need them wait.
    match recipe:
        case "demo":
            from vigil_cli.demo import demo

            demo(settings, once=arguments.once)
        case "up":
            from vigil_cli.services import up

            up(settings)
        case "api":
            from vigil_cli.api import serve

            serve(settings, arguments.port)
        case "api-key-create":
            from vigil_cli.api import create_key

            scopes = arguments.scope or ["read"]
            create_key(settings, arguments.label, scopes, arguments.days)
        case "api-key-list":
            from vigil_cli.api import list_keys

            list_keys(settings)
        case "api-key-revoke":
            from vigil_cli.api import revoke_key

            revoke_key(settings, arguments.key)
        case "openapi":
            from vigil_cli.api import describe

            describe(settings)
        case "columns":
            from vigil_cli.columns import write_columns

            write_columns(settings)
        case "backfill":
            from vigil_cli.backfill import backfill

            backfill(
                settings,
                arguments.start,
                arguments.end,
                select=arguments.select,
                force=arguments.force,
                only_failed=arguments.failed,
            )
        case "fetch-data":
            from vigil_cli.backfill import backfill

            select = "key:raw_fills or key:fills_parquet"
            backfill(settings, arguments.start, arguments.end, select=select)
        case "cloud-load" | "local-load":
            from vigil_cli.backfill import backfill

            backfill(here, arguments.start, arguments.end, select="key:fills")
        case "cloud-sample":
            sample.cloud_sample(settings, arguments)
        case "spark-aggregates":
            from vigil_cli.spark import spark_aggregates

            spark_aggregates(settings, arguments)
        case "db-local-up":
            embedded_postgres(here).keep_running()
            print(embedded_postgres(here).url())
        case "db-local-down":
            embedded_postgres(here).stop()
        case "db-migrate" | "db-base" | "db-aggregates" | "db-local-migrate":
            database.migrate(here)
        case "db-refresh" | "db-local-refresh":
            database.refresh(here)
        case "db-stats" | "db-local-stats":
            database.stats(here)
        case "db-query":
            database.run_query(settings, arguments.sql)
        case "db-shell":
            return database.shell(settings, arguments.arguments)
        case "db-backup":
            from vigil_cli.backup import back_up

            back_up(settings, arguments.path, desk_only=arguments.desk_only)
        case "db-restore":
            from vigil_cli.backup import restore

            restore(settings, arguments.path, arguments.yes_into)
        case "db-reset":
            database.reset(settings, arguments.yes_drop)
        case "live":
            from vigil_cli.live import live

            live(settings, once=arguments.once, seconds=arguments.seconds)
        case "alerts":
            from vigil_cli.desk import alerts

            alerts(settings)
        case "analyze":
            from vigil_cli.analyze import analyze

            print(analyze(settings))
        case "vendor":
            from vigil_cli.vendor import vendor

            vendor()
        case "import-leaderboard":
            sources.import_leaderboard(settings, arguments.file)
        case "import-chat":
            sources.import_chat(settings, arguments.file)
        case "telegram-poll":
            sources.telegram_poll(settings, once=arguments.once)
        case "find-new-smart-money":
            from vigil_cli.smart_money import find_new_smart_money

            find_new_smart_money(settings, arguments)
        case "lambda-deploy":
            from vigil_cli import lambda_function

            lambda_function.deploy(settings)
        case "lambda-test":
            from vigil_cli import lambda_function

            return lambda_function.test(settings)
        case "lambda-delete":
            from vigil_cli import lambda_function

            lambda_function.delete(settings)
        case "backtest":
            return backtest(settings, arguments.file)
        case "clean":
            disk.clean(settings, yes=arguments.yes)
        case "disk":
            disk.show(settings)
        case "check-definitions":
            return _check_definitions(settings)
    return None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="vigil", description="Recipes of Vigil")
    recipes = parser.add_subparsers(dest="recipe", required=True, metavar="RECIPE")
    demo_parser = recipes.add_parser("demo", help="the main job on simulated data")
    demo_parser.add_argument("--once", action="store_true", help="exit when all is built")
    recipes.add_parser("up", help="Dagster's web server and daemon, the API and the pages")
    recipes.add_parser("api", help="the API and the pages alone").add_argument("--port", type=int)
    created = recipes.add_parser("api-key-create", help="make a key, and show it this one time")
    created.add_argument("label")
    created.add_argument("--scope", action="append", help="read (default), manage, admin")
    created.add_argument("--days", type=int, help="until it expires; default: never")
    recipes.add_parser("api-key-list")
    recipes.add_parser("api-key-revoke").add_argument("key", help="the 8 characters after vgl_")
    recipes.add_parser("openapi", help="write openapi.json")
    recipes.add_parser("columns", help="write vigil_assets/columns.json")
    for name in ("backfill", "fetch-data", "cloud-load", "local-load"):
        days = recipes.add_parser(name, help="UTC days START … END, both included")
        days.add_argument("start", type=date.fromisoformat)
        days.add_argument("end", type=_ended_day)
        if name == "backfill":
            days.add_argument("--select", help="assets, in Dagster's selection syntax")
            which = days.add_mutually_exclusive_group()
            which.add_argument("--force", action="store_true", help="also what is up to date")
            which.add_argument("--failed", action="store_true", help="only what failed before")
    sampled = recipes.add_parser("cloud-sample", help="some traders of DATABASE_URL, as a lake")
    sampled.add_argument("start", type=date.fromisoformat)
    sampled.add_argument("end", type=_ended_day)
    sampled.add_argument("--one-in", type=int, default=100, help="of so many traders one")
    sampled.add_argument("--to", type=Path, help="the lake's folder; default VIGIL_DATA_DIR/sample")
    spark = recipes.add_parser("spark-aggregates", help="the daily relations on Spark, as Parquet")
    spark.add_argument("start", type=date.fromisoformat)
    spark.add_argument("end", type=_ended_day)
    spark.add_argument("--master", default="local[*]", help="spark://host:port; default local[*]")
    spark.add_argument("--to", type=Path, help="a folder; default VIGIL_DATA_DIR/spark")
    spark.add_argument("--profiles", action="store_true", help="also profiles of these days")
    spark.add_argument("--conf", action="append", default=[], help="Spark's: NAME=VALUE")
    for name in ("migrate", "refresh", "stats"):
        recipes.add_parser(f"db-{name}")
        recipes.add_parser(f"db-local-{name}")
    # One transaction installs all; the two parts of old are other names of it.
    for name in ("db-base", "db-aggregates"):
        recipes.add_parser(name)
    for name in ("db-local-up", "db-local-down", "disk", "vendor", "check-definitions"):
        recipes.add_parser(name)
    recipes.add_parser("db-query", help="SQL that may not write").add_argument("sql")
    # psql's own options are no options here: nothing a user can type is a prefix.
    psql = recipes.add_parser("db-shell", prefix_chars="\0", add_help=False)
    psql.add_argument("arguments", nargs="*")
    saved = recipes.add_parser("db-backup", help="all of the database, by pg_dump")
    saved.add_argument("path", type=Path, help="a file NAME.dump, or a folder that is not there")
    saved.add_argument("--desk-only", action="store_true", help="what no backfill gives back")
    restored = recipes.add_parser("db-restore", help="a backup, into an empty database")
    restored.add_argument("path", type=Path)
    restored.add_argument("--yes-into", metavar="NAME", help="the database's name; do not ask")
    recipes.add_parser("db-reset").add_argument("--yes-drop", metavar="NAME")
    streamed = recipes.add_parser("live", help="fills and trades as the exchange streams them")
    ended = streamed.add_mutually_exclusive_group()
    ended.add_argument("--once", action="store_true", help="what a start brings, then exit")
    ended.add_argument("--seconds", type=float, metavar="N", help="so long, then exit")
    recipes.add_parser("alerts", help="decide about alerts, and send what waits")
    recipes.add_parser("analyze", help="the report over all that is loaded")
    for name in ("import-leaderboard", "import-chat"):
        recipes.add_parser(name, help="an exported file").add_argument("file", type=Path)
    poll = recipes.add_parser("telegram-poll", help="the chats of VIGIL_TELEGRAM_TOKEN's bot")
    poll.add_argument("--once", action="store_true", help="what is there, then exit")
    found = recipes.add_parser("find-new-smart-money", help="whose first fill is recent")
    found.add_argument("--all", action="store_true", help="all SMART_DIRECTIONAL traders")
    found.add_argument("--cutoff", type=date.fromisoformat, help="UTC day; default 2025-08-01")
    found.add_argument("-w", type=_count, metavar="N", help="addresses at a time; default 4")
    found.add_argument("--lambda", dest="by_lambda", action="store_true", help="by your own Lambda")
    for name in ("lambda-deploy", "lambda-test", "lambda-delete"):
        recipes.add_parser(name)
    tested = recipes.add_parser("backtest", help="copying some traders over some days")
    tested.add_argument("file", type=Path, help="the request, JSON; - for standard input")
    recipes.add_parser("clean").add_argument("--yes", action="store_true", help="do not ask")
    return parser


def _count(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 64:
        raise argparse.ArgumentTypeError(f"{text}: expected 1 to 64")
    return int(text)


def _ended_day(text: str) -> date:
    day = date.fromisoformat(text)
    today = datetime.now(UTC).date()
    if day >= today:
        yesterday = today - timedelta(days=1)
        raise argparse.ArgumentTypeError(f"{day} has not ended in UTC; the last is {yesterday}")
    return day


def _check_definitions(settings: Settings) -> int:
    with dagster_ready(settings):
        command = ["dagster", "definitions", "validate", "-w", "workspace.yaml"]
        return subprocess.run(command, cwd=PROJECT_ROOT, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
