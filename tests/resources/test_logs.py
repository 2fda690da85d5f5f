"""Log lines: what stands in them, and what must not."""

import io
import json
import logging
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml

from vigil_resources.logs import JsonFormatter, Redaction, TextFormatter, fields
from vigil_resources.settings import PROJECT_ROOT, Settings

Log = Callable[[logging.Logger], None]

SECRETS = {
    "VIGIL_API_TOKEN": "token-planted-1",
    "VIGIL_WEBHOOK_URL": "https://hooks.example/planted-path-2",
    "VIGIL_WEBHOOK_SECRET": "webhook-planted-3",
    "VIGIL_SMTP_URL": "smtps://user:mail%2Fplanted-4@mail.example",
    "VIGIL_TELEGRAM_TOKEN": "12:telegram-planted-5",
    "DATABASE_URL": "postgresql://vigil:database-planted-6@db.example/vigil",
    "DAGSTER_PG_URL": "postgresql://dagster:dagster-planted-7@db.example/dagster",
    "AWS_SECRET_ACCESS_KEY": "aws-planted-8",
    "AWS_SESSION_TOKEN": "session-planted-9",
}


def written(formatter: logging.Formatter, log: Log) -> str:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter)
    logger = logging.Logger("vigil.test")
    logger.addHandler(handler)
    log(logger)
    return stream.getvalue()


def objects(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_a_line_is_one_object_with_its_fields() -> None:
    def log(logger: logging.Logger) -> None:
        logger.info("loaded %d rows\nof a day", 3, extra=fields(day="2026-03-15", rows=3))

    [said] = objects(written(JsonFormatter(Redaction()), log))
    assert said.pop("time").endswith("Z")
    assert said == {
        "level": "info",
        "logger": "vigil.test",
        "message": "loaded 3 rows\nof a day",
        "day": "2026-03-15",
        "rows": 3,
    }


def test_text_shows_the_fields_behind_the_message() -> None:
    line = written(
        TextFormatter(Redaction()), lambda log: log.warning("late", extra=fields(hours=[3]))
    )
    assert line.rstrip().endswith('vigil.test WARNING late {"hours": [3]}')


@pytest.mark.parametrize("kind", [JsonFormatter, TextFormatter])
def test_no_secret_of_the_settings_gets_into_a_line(kind: type[logging.Formatter]) -> None:
    settings = Settings.from_environment(SECRETS)

    def log(logger: logging.Logger) -> None:
        for secret in SECRETS.values():
            logger.info("given %s", secret, extra=fields(value=[secret], of={"x": secret}))
            try:
                raise ConnectionError(f"cannot reach {secret}")
            except ConnectionError:
                logger.exception("away")
        # One that the settings do not know, inside of an address.
        logger.info("postgresql://other:unknown-planted@host/x and s3://bucket/a@b:c")

    text = written(kind(Redaction(settings.secrets)), log)  # type: ignore[call-arg]
    assert "planted" not in text
    assert text.count("***") >= 4 * len(SECRETS) + 1
    assert "s3://bucket/a@b:c" in text
    assert "postgresql://vigil:***@db.example/vigil" in text


def test_an_error_has_its_kind_and_where_it_was() -> None:
    def log(logger: logging.Logger) -> None:
        try:
            _ = 1 // 0
        except ZeroDivisionError:
            logger.exception("no")

    [said] = objects(written(JsonFormatter(Redaction()), log))
    assert said["error"] == "ZeroDivisionError"
    assert "test_logs.py" in said["traceback"]


def test_a_recipe_that_fails_says_so_as_an_object(tmp_path: Path) -> None:
    environment = {
        "VIGIL_LOG_FORMAT": "json",
        "VIGIL_DATA_DIR": str(tmp_path),
        "DATABASE_URL": "postgresql://vigil:database-planted-6@127.0.0.1:1/vigil",
        "PATH": "/usr/bin:/bin",
    }
    command = [sys.executable, "-m", "vigil_cli", "db-stats"]
    ended = subprocess.run(
        command, cwd=PROJECT_ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 1
    said = objects(ended.stderr)[-1]
    assert (said["level"], said["recipe"]) == ("error", "db-stats")
    assert "planted" not in ended.stderr


@dg.asset(partitions_def=dg.DailyPartitionsDefinition("2025-09-01"))
def talkative(context: dg.AssetExecutionContext) -> None:
    context.log.info("postgresql://vigil:database-planted-6@host/x")


def test_what_an_asset_logs_is_an_object_with_run_asset_and_partition(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("VIGIL_LOG_FORMAT", "json")
    deployed = yaml.safe_load((PROJECT_ROOT / "deploy" / "dagster.yaml").read_text())
    with dg.instance_for_test(overrides={"python_logs": deployed["python_logs"]}) as instance:
        result = dg.materialize([talkative], instance=instance, partition_key="2025-09-03")
    lines = [line for line in capfd.readouterr().err.splitlines() if line.startswith("{")]
    [said] = [one for one in map(json.loads, lines) if "postgresql" in one["message"]]
    assert said["run_id"] == result.run_id
    assert (said["asset"], said["partition"]) == ("talkative", "2025-09-03")
    assert "planted" not in json.dumps(said)
