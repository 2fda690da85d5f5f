"""The functions of `sql/functions/`, called one by one in a database of their own."""

from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row
from psycopg.sql import SQL, Identifier, Placeholder

from tests.conftest import installed

Rows = list[dict[str, Any]]
Call = Callable[..., Rows]
"""Takes a function's name and its arguments by name; gives the rows."""


@pytest.fixture(scope="module")
def rows_of(
    tmp_path_factory: pytest.TempPathFactory, module_patch: pytest.MonkeyPatch
) -> Iterator[Call]:
    folder = tmp_path_factory.mktemp("functions")
    with (
        installed(folder, folder / "raw", module_patch) as vigil,
        vigil.warehouse.connect(read_only=True) as connection,
    ):
        yield lambda name, **arguments: _rows(connection, name, arguments)


@pytest.fixture
def row_of(rows_of: Call) -> Callable[..., dict[str, Any]]:
    """The same for functions that give one row."""

    def row(name: str, **arguments: Any) -> dict[str, Any]:
        [found] = rows_of(name, **arguments)
        return found

    return row


@pytest.fixture
def value_of(row_of: Callable[..., dict[str, Any]]) -> Callable[..., Any]:
    """The same for functions that give one value."""

    def value(name: str, **arguments: Any) -> Any:
        [found] = row_of(name, **arguments).values()
        return found

    return value


def _rows(connection: psycopg.Connection, name: str, arguments: dict[str, Any]) -> Rows:
    given = [SQL("{} => {}").format(Identifier(key), Placeholder(key)) for key in arguments]
    statement = SQL("SELECT * FROM {}({})").format(Identifier(name), SQL(", ").join(given))
    return connection.cursor(row_factory=dict_row).execute(statement, arguments).fetchall()
