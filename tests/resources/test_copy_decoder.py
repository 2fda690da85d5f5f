"""What Postgres sends is what the decoder gives, and what goes back through the encoder."""

import random
from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pyarrow as pa
import pytest
from psycopg import sql

from vigil_core.fills.wide_integers import NULL_INT, WIDE_BYTES, WIDE_SCALE
from vigil_core.metrics.walks import money
from vigil_resources.database.copies import rows_in, rows_out
from vigil_resources.database.copy_decoder import Kind, NumberTooLong
from vigil_resources.database.embedded_postgres import EmbeddedPostgres


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[psycopg.Connection]:
    folder: Path = tmp_path_factory.mktemp("server")
    with EmbeddedPostgres(folder).session() as server:
        server.ensure_database("decoder")
        with psycopg.connect(server.url("decoder"), autocommit=True) as connection:
            yield connection


def sent(database: psycopg.Connection, kind: Kind, typed: str, values: list[Any]) -> Any:
    """A column as the decoder gives it."""
    listed = sql.SQL(", ").join(
        sql.SQL("({}, {})").format(number, value) for number, value in enumerate(values)
    )
    statement = sql.SQL("SELECT v::{} FROM (VALUES {}) AS t (n, v) ORDER BY n").format(
        sql.SQL(typed),  # type: ignore[arg-type]
        listed,
    )
    return rows_out(database, statement, {"value": kind})["value"]


def whole(words: Any) -> int:
    """The number that words of 64 bits make, the lowest first."""
    return int.from_bytes(np.ascontiguousarray(words).tobytes(), "little", signed=True)


def decimals(before: int, behind: int) -> list[Decimal]:
    """Every count of digits on both sides of the point, both signs."""
    chance = random.Random(7)
    found = [Decimal(0), Decimal(10**before - 1), Decimal(f"1e-{behind}")]
    for digits in range(before + 1):
        for scale in range(behind + 1):
            number = chance.randrange(10 ** (digits + scale))
            found.append(Decimal(f"{number}e-{scale}"))
    return found + [number.copy_negate() for number in found]


@pytest.mark.parametrize(
    ("kind", "before", "behind"),
    [(Kind.NARROW, 26, 12), (Kind.POSITION, 64, 12), (Kind.WIDE, 64, WIDE_SCALE)],
)
def test_numbers_are_exact(
    database: psycopg.Connection, kind: Kind, before: int, behind: int
) -> None:
    values = decimals(before, behind)
    found = [whole(words) for words in sent(database, kind, "numeric", values)]
    assert found == [int(Fraction(value) * 10**behind) for value in values]


def test_wide_numbers_go_back_as_they_came(database: psycopg.Connection) -> None:
    values = [*decimals(64, WIDE_SCALE), None]
    column = money(sent(database, Kind.WIDE, "numeric", values))
    database.execute("CREATE TABLE returned (n bigint, value numeric)")
    numbers = pa.array(range(len(values)))
    rows_in(database, "returned", pa.table({"n": numbers, "value": column}))
    rows = database.execute("SELECT value::text FROM returned ORDER BY n").fetchall()
    wanted = [None if value is None else format(_trimmed(value), "f") for value in values]
    assert [text for (text,) in rows] == wanted


def _trimmed(value: Decimal) -> Decimal:
    sign, digits, exponent = value.as_tuple()
    assert isinstance(exponent, int)
    while exponent < 0 and digits[-1] == 0:
        digits, exponent = digits[:-1] or (0,), exponent + 1
    return Decimal((sign if any(digits) else 0, digits, exponent))


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (Kind.NARROW, Decimal("1e26")),
        (Kind.NARROW, Decimal("1e-13")),
        (Kind.NARROW, Decimal("NaN")),
        (Kind.NARROW, Decimal("Infinity")),
        (Kind.WIDE, Decimal("1e80")),
        (Kind.WIDE, Decimal("1e-25")),
        (Kind.WIDE, Decimal("NaN")),
    ],
)
def test_a_number_that_does_not_fit_is_an_error(
    database: psycopg.Connection, kind: Kind, value: Decimal
) -> None:
    with pytest.raises(NumberTooLong, match="value"):
        sent(database, kind, "numeric", [Decimal(1), value])


def test_null_is_what_no_value_is(database: psycopg.Connection) -> None:
    assert sent(database, Kind.INT, "bigint", [None, -(2**63), 5]).tolist() == [
        NULL_INT,
        -(2**63),
        5,
    ]
    assert sent(database, Kind.INT, "integer", [-(2**31), None]).tolist() == [-(2**31), NULL_INT]
    for kind, size in ((Kind.NARROW, 16), (Kind.WIDE, WIDE_BYTES)):
        found = sent(database, kind, "numeric", [Decimal(1), None])
        assert whole(found[1]) == -(2 ** (8 * size - 1))


def test_texts_of_any_length_and_no_rows_at_all(database: psycopg.Connection) -> None:
    texts = ["", "xyz:TSLA", "ä€😀", "0" * 100_000]
    assert sent(database, Kind.TEXT, "text", texts).to_list() == texts
    statement = sql.SQL("SELECT ''::text AS a, 1::numeric AS b WHERE false")
    nothing = rows_out(database, statement, {"a": Kind.TEXT, "b": Kind.WIDE})
    assert len(nothing["a"]) == 0
    assert nothing["b"].shape == (0, WIDE_BYTES // 8)


def test_more_rows_than_are_decoded_at_a_time(database: psycopg.Connection) -> None:
    statement = sql.SQL("SELECT n, n::text FROM generate_series(1, 140000) AS n")
    found = rows_out(database, statement, {"n": Kind.INT, "text": Kind.TEXT})
    assert found["n"].tolist() == list(range(1, 140_001))
    assert found["text"].to_list() == [str(n) for n in range(1, 140_001)]
