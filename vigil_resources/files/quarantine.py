"""How rejected lines are kept: JSON lines that name their place and hold them as they came."""

import base64
import json
from typing import Any

from vigil_core.rejections import Rejection


def quarantine_line(rejection: Rejection, **source: str) -> bytes:
    """One rejected line. `source` says which object it stands in."""
    text = rejection.raw.decode("utf-8", "backslashreplace").replace("\0", "\\x00")
    record: dict[str, Any] = {
        **source,
        "line_number": rejection.line_number,
        "byte_offset": rejection.byte_offset,
        "reason": rejection.reason,
        "raw": text,
    }
    if text.encode() != rejection.raw:
        record["raw_base64"] = base64.b64encode(rejection.raw).decode()
    return (json.dumps(record) + "\n").encode()


def bytes_of(record: dict[str, Any]) -> bytes:
    """The line of a record as it came."""
    packed = record.get("raw_base64")
    return base64.b64decode(packed) if packed is not None else str(record["raw"]).encode()
