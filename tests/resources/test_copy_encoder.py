"""What the encoder writes is what Postgres then holds: every value, and its shortest scale."""

import json
import random
from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import psycopg
import pyarrow as pa
import pytest

from vigil_resources.database.copy_encoder import HEADER, TRAILER, CopyEncoder
from vigil_resources.database.embedded_postgres import EmbeddedPostgres

MONEY = pa.decimal128(38, 12)


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[psycopg.Connection]:
    folder: Path = tmp_path_factory.mktemp("server")
    with EmbeddedPostgres(folder).session() as server:
        server.ensure_database("encoder")
        with psycopg.connect(server.url("encoder"), autocommit=True) as connection:
            yield connection


def held(
    database: psycopg.Connection, table: pa.Table, types: str, *, json_columns: tuple[str, ...] = ()
) -> list[tuple[Any, ...]]:
    """The rows that Postgres holds after a COPY of the table."""
    database.execute("DROP TABLE IF EXISTS copied")
    database.execute(f"CREATE TABLE copied ({types})")  # type: ignore[arg-type]
    with database.cursor() as cursor:
        with cursor.copy("COPY copied FROM STDIN (FORMAT binary)") as copy:
            copy.write(HEADER)
            for piece in CopyEncoder(frozenset(json_columns)).pieces(table):
                copy.write(piece)
            copy.write(TRAILER)
        return cursor.execute("SELECT * FROM copied").fetchall()


def decimals() -> list[Decimal]:
    """Every count of digits on both sides of the point, both signs, and the borders."""
    chance = random.Random(20)
    numbers = [Decimal(0), Decimal("1e-12"), Decimal(10**26 - 1), Decimal("0.0001")]
    numbers += [Decimal(10) ** n for n in range(26)] + [Decimal(10) ** -n for n in range(1, 13)]
    numbers += [Decimal(2**63 + n).scaleb(-12) for n in (-1, 0, 1)]
    numbers += [Decimal(2**64 + n).scaleb(-12) for n in (-1, 0, 1)]
    for whole in range(27):
        for scale in range(13):
            for _ in range(20):
                digits = chance.randrange(10 ** (whole + scale))
                numbers.append(Decimal(digits).scaleb(-scale))
    return numbers + [-number for number in numbers]


def test_decimals_arrive_exact_and_in_their_shortest_scale(database: psycopg.Connection) -> None:
    numbers = decimals()
    assert len(numbers) > 14_000
    table = pa.table({"n": pa.array(numbers, MONEY), "at": pa.array(range(len(numbers)))})

    rows = held(database, table, "n numeric, at bigint")

    assert [at for _, at in rows] == list(range(len(numbers)))
    for (mine, _), number in zip(rows, numbers, strict=True):
        assert mine == number
        shortest = max(0, -int(number.normalize().as_tuple().exponent))
        assert -int(mine.as_tuple().exponent) == shortest
    # What the server computes with them is right as well.
    (total,) = database.execute("SELECT sum(n * n) FROM copied").fetchone() or ()
    assert Fraction(total) == sum(Fraction(number) ** 2 for number in numbers)


def test_every_kind_of_column_and_its_nulls(database: psycopg.Connection) -> None:
    texts = ["", "a", "seven77", "eightttt", "nine 9999", "käse", "0x" + "f" * 64, None]
    objects = ["{}", '{"a":1.50}', None, "[]", '{"b":[1,2]}', "1", '"x"', "null"]
    table = pa.table(
        {
            "big": pa.array([0, 1, -1, 2**63 - 1, -(2**63), None, 255, 256]),
            "small": pa.array([0, 1, -1, 2**31 - 1, -(2**31), None, 255, 256], pa.int32()),
            "truth": pa.array([True, False, None, True, False, True, True, False]),
            "plain": pa.array(texts, pa.string()),
            "coded": pa.array(texts, pa.string()).dictionary_encode(),
            "object": pa.array(objects, pa.string()),
            "money": pa.array([None, *map(Decimal, "1234567")], MONEY),
        }
    )
    types = "big bigint, small int, truth boolean, plain text, coded text, object jsonb, m numeric"

    rows = held(database, table, types, json_columns=("object",))

    expected = [
        tuple(json.loads(v) if i == 5 and v is not None else v for i, v in enumerate(row))
        for row in zip(*(column.to_pylist() for column in table.columns), strict=True)
    ]
    assert rows == expected
    # jsonb keeps a number as it is written.
    assert database.execute("SELECT object::text FROM copied LIMIT 1 OFFSET 1").fetchone() == (
        '{"a": 1.50}',
    )


@pytest.mark.parametrize("rows", [0, 1, 7, 8, 9, 70_000])
def test_tables_of_any_length_and_slices(database: psycopg.Connection, rows: int) -> None:
    words = [f"w{i % 97}" * (i % 5) for i in range(rows + 3)]
    table = pa.table(
        {"n": range(rows + 3), "t": words, "odd": [i % 3 > 0 for i in range(rows + 3)]}
    )
    table = table.slice(3)
    assert held(database, table, "n bigint, t text, odd boolean") == [
        tuple(row.values()) for row in table.to_pylist()
    ]


def test_encoder_is_used_again() -> None:
    encoder = CopyEncoder(frozenset())
    large = pa.table({"t": ["x" * 100] * 1_000})
    small = pa.table({"t": ["y"]})
    first = b"".join(encoder.pieces(small))
    b"".join(encoder.pieces(large))
    assert b"".join(encoder.pieces(small)) == first
