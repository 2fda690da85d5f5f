"""Tables that are read as frames, and written a UTC day at a time.

A day of one or several relations is replaced in one transaction, together with what it was made
of, so that what is stale can be told from the data.
"""

import hashlib
import io
import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from typing import Any

import polars as pl
from psycopg import sql

from vigil_core.calendar import day_start_ms
from vigil_resources.database.warehouse import Warehouse
from vigil_resources.statements import query, template


class DayTables:
    """Relations whose days `artemis_state` vouches for; migrations call this ArtemisTables."""

    def __init__(self, warehouse: Warehouse) -> None:
        self._warehouse = warehouse

    def built_from(self, relation: str, day: date) -> str | None:
        """The fingerprint of what a day was made of; None where it is not built."""
        asked = {"relation": relation, "day": day_start_ms(day)}
        rows = self._warehouse.rows("artemis/built_from", asked)
        return rows[0][0] if rows else None

    @contextmanager
    def alone(self, relation: str) -> Iterator[None]:
        """Nobody else writes the relation meanwhile; for what lies in the lake, not here."""
        with self._warehouse.connect() as connection, connection.transaction():
            connection.execute(query("artemis/lock_relation"), {"relation": relation})
            yield

    def merge_addresses(self, day: date, addresses: list[str], built_from: str) -> None:
        """Add those that are new, and let `first_seen` and `last_seen` of the others follow."""
        at = {"day": day_start_ms(day)}
        with self._warehouse.connect() as connection, connection.transaction():
            connection.execute(query("artemis/lock_relation"), {"relation": "addresses"})
            connection.execute(query("artemis/merge_addresses"), at | {"addresses": addresses})
            state = {
                "relation": "addresses",
                "built_from": built_from,
                "row_count": len(addresses),
                "details": "{}",
                "elapsed_seconds": None,
            }
            connection.execute(query("artemis/save_state"), at | state)

    def round_trips_contents(self, day: date) -> list[tuple[int, str]]:
        """Days until this one whose round trips are built, and the version of their fills."""
        return self._warehouse.rows("artemis/round_trips_contents", {"day": day_start_ms(day)})

    def states(self, relations: list[str], start: int, end: int) -> list[tuple[str, int, str]]:
        """Relation, day and fingerprint of what was built for the days in [start, end)."""
        asked = {"relations": relations, "start": start, "end": end}
        return self._warehouse.rows("artemis/states", asked)

    def coins(self, chosen: tuple[str, ...] | None, day: date) -> list[str]:
        """The coins that were chosen; where none were, the perps of the day's market history."""
        if chosen is not None:
            return list(chosen)
        rows = self._warehouse.rows("artemis/traded_coins", {"day": day_start_ms(day)})
        return [coin for (coin,) in rows]

    def replace_day(
        self,
        day: date,
        frames: Mapping[str, pl.DataFrame],
        built_from: str,
        began: float,
        details: Mapping[str, Any] | None = None,
    ) -> None:
        """Make these the day's rows; readers see the old ones or the new, of all relations.

        Of a relation with an `origin`, only back-filled rows give way: what was seen live is
        never replaced by what was worked out later.

        Args:
            day: Of whose rows the relations hold no others afterwards.
            frames: By relation; columns are found by name, `day` is added.
            built_from: Equal exactly when the rows would be.
            began: `time.monotonic()` when the build did.
            details: Of the build, kept as JSON.
        """
        start = day_start_ms(day)
        with self._warehouse.connect() as connection, connection.transaction():
            for number, (relation, frame) in enumerate(frames.items()):
                name = sql.Identifier(relation)
                connection.execute(query("artemis/lock_relation"), {"relation": relation})
                if "origin" in frame.columns:
                    connection.execute(template("artemis/delete_backfilled", name=name, day=start))
                else:
                    connection.execute(template("artemis/delete_day", name=name, day=start))
                columns = sql.SQL(", ").join(map(sql.Identifier, ["day", *frame.columns]))
                copy_in = template("artemis/copy_in", name=name, columns=columns)
                rows = as_csv(frame.select(pl.lit(start).alias("day"), pl.all()))
                with connection.cursor() as cursor, cursor.copy(copy_in) as copy:
                    copy.write(rows)
                state = {
                    "relation": relation,
                    "day": start,
                    "built_from": built_from,
                    "row_count": frame.height,
                    "details": json.dumps(details or {}),
                    "elapsed_seconds": None if number else time.monotonic() - began,
                }
                connection.execute(query("artemis/save_state"), state)

    def read(
        self,
        statement: str,
        schema: Mapping[str, pl.DataType],
        /,
        **parts: sql.Composable | int,
    ) -> pl.DataFrame:
        """What one of `sql/queries` gives, columns of the schema in its order.

        Decimals are exact; what does not fit them is an error.
        """
        copy_out = template("artemis/copy_out", statement=template(statement, **parts))
        content = io.BytesIO()
        with (
            self._warehouse.connect(read_only=True) as connection,
            connection.cursor() as cursor,
            cursor.copy(copy_out) as copy,
        ):
            for piece in copy:
                content.write(piece)
        content.seek(0)
        as_text = {
            name: pl.String() if isinstance(dtype, pl.Decimal | pl.Boolean) else dtype
            for name, dtype in schema.items()
        }
        table = pl.read_csv(content, schema_overrides=as_text)
        return table.select(
            (pl.col(name) == "t").alias(name)
            if isinstance(dtype, pl.Boolean)
            else pl.col(name).cast(dtype)
            for name, dtype in schema.items()
        )


def fingerprint(*parts: object) -> str:
    """16 hex digits; equal exactly when the texts of the parts are."""
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def as_csv(frame: pl.DataFrame) -> bytes:
    """Without header; a decimal with the digits it has, not with its column's scale."""
    digits = (
        pl.selectors.decimal().cast(pl.String).str.strip_chars_end("0").str.strip_chars_end(".")
    )
    content = io.BytesIO()
    frame.with_columns(digits).write_csv(content, include_header=False)
    return content.getvalue()
