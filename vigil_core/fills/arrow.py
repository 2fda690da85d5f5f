"""A row group as an Arrow table, without copying its columns."""

from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from vigil_core.fills.row_group import (
    FLAG_COLUMNS,
    INTEGER_COLUMNS,
    MONEY_COLUMNS,
    SPAN_COLUMNS,
    TEXT_COLUMNS,
    RowGroup,
)
from vigil_core.fills.schema import LAKE_SCHEMA, MONEY_SCALE

_TYPES = {
    pl.Int64(): pa.int64(),
    pl.Int32(): pa.int32(),
    pl.Boolean(): pa.bool_(),
    pl.String(): pa.string(),
}

PLAIN_SCHEMA = pa.schema(
    [
        (name, _TYPES.get(type_, pa.decimal128(38, MONEY_SCALE)))
        for name, type_ in LAKE_SCHEMA.items()
    ]
)
"""Columns of `LAKE_SCHEMA`, every text spelled out."""

CODED_COLUMNS = (*TEXT_COLUMNS, "side")

CODED_SCHEMA = pa.schema(
    [
        field.with_type(pa.dictionary(pa.int32(), pa.string()))
        if field.name in CODED_COLUMNS
        else field
        for field in PLAIN_SCHEMA
    ]
)
"""The same, with texts that repeat as codes of a dictionary in the order of first appearance."""

_BLOCK_COLUMNS = ("block_number", "block_time", "local_time")
# From buffers, as below: `pa.array` imports pandas wherever it is installed, for seconds.
_SIDES = pa.Array.from_buffers(
    pa.string(), 2, [None, pa.py_buffer(np.array([0, 1, 2], np.int32)), pa.py_buffer(b"BA")]
)


def group_table(group: RowGroup, rows: int, *, blocks: bool) -> pa.Table:
    """The first rows of a group, valid until the group is filled anew.

    Without `blocks` the rows came in none, and what is known of a block is NULL.
    """
    columns: dict[str, Any] = {}
    flags = dict(zip(FLAG_COLUMNS, group.flags, strict=True))
    for name, values in zip(INTEGER_COLUMNS, group.integers, strict=True):
        columns[name] = _fixed(pa.int64(), rows, values, flags.get(f"has_{name}"))
    for name, values in zip(MONEY_COLUMNS, group.money, strict=True):
        columns[name] = _fixed(
            PLAIN_SCHEMA.field(name).type, rows, values, flags.get(f"has_{name}")
        )
    for name, codes, texts in zip(TEXT_COLUMNS, group.codes, group.texts, strict=True):
        codes_there = codes[:rows] >= 0 if name == "builder" else None
        dictionary = _texts(int(texts.count[0]), texts.starts, texts.arena, None)
        indices = _fixed(pa.int32(), rows, codes, codes_there)
        columns[name] = pa.DictionaryArray.from_arrays(indices, dictionary)
    for name, ends, spans in zip(SPAN_COLUMNS, group.ends, group.spans, strict=True):
        columns[name] = _texts(rows, ends, spans, flags[f"has_{name}"])
    sells = _fixed(pa.int32(), rows, flags["sells"][:rows].astype(np.int32), None)
    columns["side"] = pa.DictionaryArray.from_arrays(sells, _SIDES)
    crossed = [None, _bitmap(flags["crossed"], rows)]
    columns["crossed"] = pa.Array.from_buffers(pa.bool_(), rows, crossed)
    columns["event_index"] = _fixed(pa.int32(), rows, group.event_index, None)
    columns["block_extra"] = pa.nulls(rows, pa.string())
    if not blocks:
        columns |= {name: pa.nulls(rows, pa.int64()) for name in _BLOCK_COLUMNS}
    return pa.table([columns[name] for name in CODED_SCHEMA.names], schema=CODED_SCHEMA)


def frame_table(frame: pl.DataFrame) -> pa.Table:
    """Rows of `LAKE_SCHEMA` as a table of `PLAIN_SCHEMA`."""
    return frame.to_arrow(compat_level=pl.CompatLevel.oldest()).cast(PLAIN_SCHEMA)


def plain(table: pa.Table) -> pa.Table:
    """Every text spelled out, in memory of its own."""
    columns = [column.cast(f.type) for column, f in zip(table, PLAIN_SCHEMA, strict=True)]
    # A cast to the same type is no copy; taking rows is.
    return pa.table(columns, schema=PLAIN_SCHEMA).take(pa.array(np.arange(table.num_rows)))


def joined(tables: list[pa.Table]) -> pa.Table:
    """Tables of `PLAIN_SCHEMA` as one of `CODED_SCHEMA`."""
    whole = pa.concat_tables(tables).combine_chunks()
    columns = []
    for field, column in zip(CODED_SCHEMA, whole.columns, strict=True):
        if field.name == "side":
            codes = pc.index_in(column.combine_chunks(), _SIDES)
            columns.append(pa.DictionaryArray.from_arrays(codes, _SIDES))
        elif field.name in CODED_COLUMNS:
            columns.append(column.combine_chunks().dictionary_encode())
        else:
            columns.append(column)
    return pa.table(columns, schema=CODED_SCHEMA)


def _fixed(type_: Any, rows: int, values: np.ndarray, there: np.ndarray | None) -> Any:
    validity = None if there is None else _bitmap(there, rows)
    return pa.Array.from_buffers(type_, rows, [validity, pa.py_buffer(values)])


def _texts(rows: int, starts: np.ndarray, content: np.ndarray, there: np.ndarray | None) -> Any:
    validity = None if there is None else _bitmap(there, rows)
    buffers = [validity, pa.py_buffer(starts), pa.py_buffer(content)]
    return pa.Array.from_buffers(pa.string(), rows, buffers)


def _bitmap(bits: np.ndarray, rows: int) -> Any:
    return pa.py_buffer(np.packbits(bits[:rows], bitorder="little"))
