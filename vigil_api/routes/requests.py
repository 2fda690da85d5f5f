"""What routes share: who is meant by `{id}`, and a transaction to ask in."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Annotated, Any, TypeVar

from fastapi import Depends, Path
from starlette.convertors import Convertor, register_url_convertor
from starlette.requests import Request

from vigil_api.database import Connection, Database
from vigil_resources.desk.traders import Which
from vigil_resources.settings import Settings


class _TraderIds(Convertor[str]):
    """So that `/api/traders/compare` is no trader's, whatever the method."""

    regex = "(?:[1-9][0-9]{0,17}|0x[0-9a-fA-F]{40})"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


register_url_convertor("trader", _TraderIds())

Function = TypeVar("Function", bound=Callable[..., Any])


def _which(
    id: Annotated[  # noqa: A002
        str,
        Path(
            pattern=f"^{_TraderIds.regex}$",
            description="A trader's id, or the address: its first variant that is followed",
        ),
    ],
) -> Which:
    return id.lower() if id.startswith("0x") else int(id)


def _database(request: Request) -> Database:
    database: Database = request.app.state.database
    return database


def _reading(database: Annotated[Database, Depends(_database)]) -> Iterator[Connection]:
    with database.read() as connection:
        yield connection


def _writing(database: Annotated[Database, Depends(_database)]) -> Iterator[Connection]:
    with database.write() as connection:
        yield connection


def writing_settings(request: Request) -> Settings:
    """The application's, for what opens connections of its own: as the role that writes."""
    settings: Settings = request.app.state.settings
    return replace(settings, database_url=request.app.state.database.writer_address())


Databased = Annotated[Database, Depends(_database)]
"""The pools, for what asks several times."""

TraderId = Annotated[Which, Depends(_which)]
Reading = Annotated[Connection, Depends(_reading)]
"""A read-only transaction around the route."""

Writing = Annotated[Connection, Depends(_writing, scope="function")]
"""A transaction around the route; committed before the answer goes out."""


def takes(body: type[Any]) -> Callable[[Function], Function]:
    """Let a route's `body` have the bounds of this application instead of none."""

    def mark(function: Function) -> Function:
        function.__annotations__["body"] = body
        return function

    return mark
