"""Log lines: readable ones for a terminal, or one JSON object a line for what collects them.

A field is put beside the message by `extra`: `log.info("loaded", extra=fields(day="2026-03-15"))`.
No line holds a secret of the settings, whoever wrote it: an exception's text may repeat one.
"""

import json
import logging
import re
import sys
import traceback
from collections.abc import Iterable
from datetime import UTC, datetime
from logging.handlers import RotatingFileHandler
from typing import Any

from vigil_resources.settings import Settings

MASK = "***"
_FIELDS = "vigil_fields"
_SHORTEST = 6
"""Shorter secrets would blot out ordinary words."""
_IN_URL = re.compile(r"(?<=://)([^\s/:@]*):[^\s/@]+(?=@)")
_TEXT = "%(asctime)s %(name)s %(levelname)s %(message)s"


def fields(**values: Any) -> dict[str, Any]:
    """What `extra` is given, so that a line has these fields."""
    return {_FIELDS: values}


class Redaction:
    """Takes secrets out of text: the ones it is told, and any password inside of an address."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        known = sorted({s for s in secrets if len(s) >= _SHORTEST}, key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, known))) if known else None

    def __call__(self, text: str) -> str:
        """The text, with a mask for each secret."""
        if self._known is not None:
            text = self._known.sub(MASK, text)
        return _IN_URL.sub(rf"\1:{MASK}", text)


class TextFormatter(logging.Formatter):
    """A line for people; fields stand behind the message as JSON."""

    def __init__(self, redact: Redaction) -> None:
        super().__init__(_TEXT)
        self._redact = redact

    def format(self, record: logging.LogRecord) -> str:
        line = super().format(record)
        values = _fields_of(record)
        if values:
            first, newline, rest = line.partition("\n")
            line = f"{first} {json.dumps(values, default=str)}{newline}{rest}"
        return self._redact(line)


class JsonFormatter(logging.Formatter):
    """One JSON object a line: `time`, `level`, `logger`, `message`, and what else is known.

    Of Dagster's own records that is `run_id`, `job`, `asset` (its step) and `partition`.
    """

    def __init__(self, redact: Redaction) -> None:
        super().__init__()
        self._redact = redact

    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.fromtimestamp(record.created, UTC)
        said: dict[str, Any] = {
            "time": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        said |= _fields_of(record)
        if record.exc_info and record.exc_info[0] is not None:
            said["error"] = record.exc_info[0].__name__
            said["traceback"] = "".join(traceback.format_exception(*record.exc_info))
        # Redacted as values and not as JSON, in which a quote in a secret is written otherwise.
        return json.dumps(_redacted(said, self._redact), ensure_ascii=False)


def formatter_of_environment() -> logging.Formatter:
    """For logging configurations that name a factory: Dagster's `python_logs` is one."""
    return _formatter(Settings.from_environment())


def to_standard_error(settings: Settings) -> None:
    """Log all to standard error, from `VIGIL_LOG_LEVEL` on."""
    _install(settings, [logging.StreamHandler(sys.stderr)])


def to_file(settings: Settings, name: str) -> None:
    """Log all to `VIGIL_DATA_DIR/logs/NAME.log` of bounded size, what went wrong to the terminal.

    As JSON it goes to standard error instead, where what collects lines looks for them.
    """
    if settings.log_format == "json":
        to_standard_error(settings)
        return
    folder = settings.data_dir / "logs"
    folder.mkdir(parents=True, exist_ok=True)
    terminal = logging.StreamHandler(sys.stderr)
    terminal.setLevel(logging.WARNING)
    file = RotatingFileHandler(folder / f"{name}.log", maxBytes=10_000_000, backupCount=3)
    _install(settings, [file, terminal])


def _install(settings: Settings, handlers: list[logging.Handler]) -> None:
    for handler in handlers:
        handler.setFormatter(_formatter(settings))
    level = getattr(logging, settings.log_level.upper())
    logging.basicConfig(level=level, handlers=handlers, force=True)


def _formatter(settings: Settings) -> logging.Formatter:
    redact = Redaction(settings.secrets)
    return JsonFormatter(redact) if settings.log_format == "json" else TextFormatter(redact)


def _fields_of(record: logging.LogRecord) -> dict[str, Any]:
    found: dict[str, Any] = dict(getattr(record, _FIELDS, {}))
    of_dagster = getattr(record, "dagster_meta", None)
    if of_dagster:
        tags = of_dagster.get("job_tags") or {}
        partition = tags.get("dagster/partition") or tags.get("dagster/asset_partition_range_start")
        named = {
            "run_id": of_dagster.get("run_id"),
            "job": of_dagster.get("job_name"),
            "asset": of_dagster.get("step_key"),
            "partition": partition,
        }
        found |= {name: value for name, value in named.items() if value is not None}
    return found


def _redacted(value: Any, redact: Redaction) -> Any:
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, dict):
        return {str(name): _redacted(one, redact) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_redacted(one, redact) for one in value]
    return value if isinstance(value, int | float | bool | None) else redact(str(value))
