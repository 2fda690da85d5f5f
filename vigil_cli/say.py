"""What a recipe tells while it works: a line for people, or an object for what collects lines."""

import logging
import sys
from typing import Any

from vigil_resources.logs import fields
from vigil_resources.settings import Settings

_log = logging.getLogger("vigil.recipes")


def say(settings: Settings, text: str, level: int = logging.INFO, **values: Any) -> None:
    """Tell it on standard error; `values` are fields of the object."""
    if settings.log_format == "json":
        _log.log(level, "%s", text, extra=fields(**values))
    else:
        print(text, file=sys.stderr, flush=True)
