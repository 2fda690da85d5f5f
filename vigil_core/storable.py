"""What Postgres can hold of texts and JSON that others wrote."""

from typing import Any

MOST_DEEP = 100
"""Levels of JSON."""


class NestedTooDeeply(ValueError):
    """JSON of more than `MOST_DEEP` levels."""

    def __init__(self) -> None:
        super().__init__("nested too deeply")


def storable(text: str) -> str:
    """Postgres holds no NUL, and UTF-8 no half of a surrogate pair: they become U+FFFD."""
    whole = text.replace("\0", "\ufffd").encode("utf-16", "surrogatepass")
    return whole.decode("utf-16", "replace")


def storable_json(value: Any, deep: int = 0) -> Any:
    """The same of every text within JSON, keys as well.

    Raises:
        NestedTooDeeply: It is.
    """
    if isinstance(value, str):
        return storable(value)
    if not isinstance(value, dict | list):
        return value
    if deep == MOST_DEEP:
        raise NestedTooDeeply
    if isinstance(value, dict):
        return {storable(key): storable_json(item, deep + 1) for key, item in value.items()}
    return [storable_json(item, deep + 1) for item in value]
