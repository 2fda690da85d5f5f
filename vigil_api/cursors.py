"""Lists by the page. Where one goes on is base64url of (list, last key): no secret, and checked."""

import base64
import binascii
import json
import re
from collections.abc import Callable, Sequence
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, TypeVar
from urllib.parse import urlencode

from fastapi import Depends, Query
from starlette.requests import Request
from starlette.responses import Response

from vigil_api.problems import Problem
from vigil_api.schemas import Page

Limit = Annotated[int, Query(ge=1, le=500, description="Most items of a page")]
CursorText = Annotated[
    str | None,
    Query(pattern="^[A-Za-z0-9_-]{1,600}$", description="`next` of the page before"),
]
Row = TypeVar("Row")
Item = TypeVar("Item")


class _Pages:
    """Where the page asked for begins, and how it is handed out."""

    def __init__(
        self, request: Request, response: Response, limit: Limit = 50, cursor: CursorText = None
    ) -> None:
        self._request = request
        self._response = response
        self._cursor = cursor
        self._limit = limit

    @property
    def fetched(self) -> int:
        """Rows to ask for: one more than is shown tells that the list goes on."""
        return self._limit + 1

    def after(self, of_list: str, *types: type) -> tuple[Any, ...] | None:
        """The key behind which the page begins; None: at the start. Raises `Problem`."""
        return decode(self._cursor, of_list, *types)

    def page(
        self,
        of_list: str,
        rows: Sequence[Row],
        show: Callable[[Row], Item],
        key: Callable[[Row], tuple[Any, ...]],
    ) -> Page[Item]:
        """What is answered, and in `Link` where the list goes on."""
        shown = rows[: self._limit]
        following = None
        if len(rows) > self._limit:
            following = encode(of_list, *key(shown[-1]))
            kept = [(k, v) for k, v in self._request.query_params.multi_items() if k != "cursor"]
            query = urlencode([*kept, ("cursor", following)])
            self._response.headers["Link"] = f'<{self._request.url.path}?{query}>; rel="next"'
        return Page(items=[show(row) for row in shown], next=following)


Pages = Annotated[_Pages, Depends()]


def encode(of_list: str, *key: Any) -> str:
    """A cursor behind the item with this key."""
    text = json.dumps([of_list, *key], separators=(",", ":"), default=str)
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def decode(cursor: str | None, of_list: str, *types: type) -> tuple[Any, ...] | None:
    """The key that a cursor of this list holds; None for none.

    Raises:
        Problem: It is of another list or sort, or not ours.
    """
    if cursor is None:
        return None
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        name, *key = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        if name == of_list and len(key) == len(types):
            return tuple(_read(part, kind) for part, kind in zip(key, types, strict=True))
    except (binascii.Error, ValueError, TypeError, RecursionError, InvalidOperation):
        pass
    raise Problem("bad-cursor", f"expected a cursor of {of_list}")


def _read(part: Any, kind: type) -> Any:
    """A part of a key, as the database could hold it. Raises `ValueError` where it could not."""
    if kind is Decimal and isinstance(part, str) and len(part) < 200:
        number = Decimal(part)
        fits = not number.is_nan() and (number.is_infinite() or abs(number.adjusted()) < 200)
        if fits:
            return number
    elif type(part) is kind is int:
        if -(2**63) <= part < 2**63:
            return part
    elif type(part) is kind is str and not re.search("[\0\ud800-\udfff]", part):
        return part
    raise ValueError(part)
