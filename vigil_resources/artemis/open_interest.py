"""Open interest of a UTC day: counted in the balances, and carried on between them by the fills."""

import time
from datetime import date, timedelta

import polars as pl

from vigil_core.artemis.balances import collapsed, seeded_addresses
from vigil_core.artemis.features import oi_changes_by_coin
from vigil_core.artemis.open_interest import SNAPSHOT_SCHEMA, carried, drifts, snapshot_rows
from vigil_core.artemis.parameters import SNAPSHOTS_PER_DAY, STEP_MS
from vigil_core.artemis.tape import merged_spans, perps
from vigil_core.calendar import DAY_MS, day_start_ms
from vigil_core.errors import LakeIncomplete
from vigil_core.fills.schema import LAKE_SCHEMA, MONEY
from vigil_resources.artemis.fills_of_day import FillsByDay, FillsOfDay, Spans
from vigil_resources.database.day_tables import DayTables, fingerprint
from vigil_resources.files.perp_balances import PerpBalances

RELATIONS = ("oi_history", "addresses")
"""The assets; `oi_changes`, `account_balances` and `balance_collapses` are written with them."""

_VERSION = "3"
LEGS = ["time", "coin", "side", "sz", "start_position"]
_CLOSES = {"coin": pl.String(), "open_time": pl.Int64(), "close": MONEY}
_SHOWN = {"coin": pl.String(), "recorded_at": pl.Int64(), "oi_usd": MONEY}
_ROWS = [
    "coin",
    "recorded_at",
    "kind",
    "oi_usd",
    "oi_short_usd",
    "oi_base",
    "holders",
    "oi_imbalance",
    "oi_drift",
    "usable",
]


class OpenInterest:
    """Builds the days of `oi_history`, `oi_changes`, `account_balances`, and `addresses`."""

    def __init__(self, fills: FillsByDay, balances: PerpBalances, tables: DayTables) -> None:
        self._source = fills
        self._balances = balances
        self._tables = tables

    def is_current(self, day: date) -> bool:
        """Whether the day was made of the fills, balances and candles that are there now."""
        return self._tables.built_from(RELATIONS[0], day) == self._fingerprint(day)

    def build(self, day: date) -> dict[str, int]:
        """Rebuild the day; gives the rows of each table, and the addresses found.

        Without balances of the day, what is carried goes on from those of the day before.
        """
        began = time.monotonic()
        built_from = self._fingerprint(day)
        start = day_start_ms(day)
        snapshots = self._snapshots(day)
        legs, covered = self._legs(day)
        marks = [start + STEP_MS * number for number in range(SNAPSHOTS_PER_DAY)]
        closes = self._tables.read(
            "artemis/closes_between", _CLOSES, start=start - STEP_MS, end=start + DAY_MS
        )
        counted = drifts(snapshots, legs, covered).filter(pl.col("recorded_at") >= start)
        between = carried(snapshots, legs, marks, closes, covered).with_columns(
            pl.lit(value=True).alias("usable")
        )
        rows = pl.concat([counted, between], how="diagonal_relaxed").select(name for name in _ROWS)
        entry = self._balances.finished(day)
        accounts, addresses = self._accounts(day)
        frames = {
            "oi_history": rows,
            "oi_changes": self._changes(legs, start, snapshots["recorded_at"].to_list()),
            "account_balances": accounts,
            "balance_collapses": self._collapses(day),
        }
        self._tables.merge_addresses(day, addresses, built_from)
        details = {
            "covered": [span for span in covered if span[0] >= start],
            "rejected_lines": entry.rejected if entry else 0,
        }
        self._tables.replace_day(day, frames, built_from, began, details)
        return {name: frame.height for name, frame in frames.items()} | {
            "addresses": len(addresses)
        }

    def rows(self, day: date) -> pl.DataFrame:
        """What stands in `oi_history` of a day: `coin, recorded_at, oi_usd`, usable rows."""
        return self._tables.read("artemis/oi_of_day", _SHOWN, start=day_start_ms(day))

    def _snapshots(self, day: date) -> pl.DataFrame:
        """Counted on the day and the one before; to carry on from, and to compare with."""
        counted = [pl.DataFrame(schema=SNAPSHOT_SCHEMA)]
        for one in (day - timedelta(days=1), day):
            entry = self._balances.finished(one)
            if entry is not None:
                counted.append(snapshot_rows(self._balances.positions(one), entry.recorded_at))
        return pl.concat(counted)

    def _legs(self, day: date) -> tuple[pl.DataFrame, Spans]:
        """Perp fills of the day and the one before that tell where they started, and from when."""
        frames = [pl.DataFrame(schema={name: LAKE_SCHEMA[name] for name in LEGS})]
        covered: Spans = []
        for content in self._fills(day):
            rows = content.read(LEGS)
            if "start_position" in rows.columns:
                frames.append(perps(rows))
                covered += _with_known_starts(content.covered, frames[-1])
        return pl.concat(frames), covered

    def _fills(self, day: date) -> list[FillsOfDay]:
        contents = [self._source.day(day)]
        try:
            contents.insert(0, self._source.day(day - timedelta(days=1)))
        except LakeIncomplete:
            # What cannot be carried over midnight has no row.
            return contents
        return contents

    def _changes(self, legs: pl.DataFrame, start: int, anchors: list[int]) -> pl.DataFrame:
        today = legs.filter(pl.col("time") >= start).drop_nulls("start_position")
        return oi_changes_by_coin(today, anchors).rename({"start": "start_at", "end": "end_at"})

    def _collapses(self, day: date) -> pl.DataFrame:
        """Records of the day before that the day's own show to be faults of the source."""
        before = day - timedelta(days=1)
        records = pl.concat(
            self._accounts(one)[0]
            .select("address", "recorded_at", "account_value")
            .with_columns(pl.lit(one).alias("of"))
            for one in (before - timedelta(days=1), before, day)
        )
        known_at = pl.col("recorded_at").shift(-1).over("address").alias("known_at")
        judged = collapsed(records).with_columns(known_at)
        found = judged.filter("collapsed", pl.col("of") == before)
        return found.select("address", "recorded_at", "known_at", "account_value")

    def _accounts(self, day: date) -> tuple[pl.DataFrame, list[str]]:
        names = ["account_value", "total_ntl_pos", "total_margin_used", "total_raw_usd"]
        entry = self._balances.finished(day)
        if entry is None:
            columns: dict[str, pl.DataType] = {"address": pl.String(), "recorded_at": pl.Int64()}
            return pl.DataFrame(schema=columns | dict.fromkeys(names, MONEY)), []
        accounts = self._balances.accounts(day).select(
            "address", pl.col("recorded_at").fill_null(entry.recorded_at), *names
        )
        return accounts, seeded_addresses(self._balances.positions(day)).to_list()

    def _fingerprint(self, day: date) -> str:
        start = day_start_ms(day)
        candles = self._tables.states(["candles"], start - DAY_MS, start + DAY_MS)
        balances = [self._balances.version(day - timedelta(days=n)) for n in range(3)]
        fills = [content.version for content in self._fills(day)]
        return fingerprint(_VERSION, fills, balances, candles)


def _with_known_starts(covered: Spans, legs: pl.DataFrame) -> Spans:
    """The spans without the five minutes of a fill that does not say what it started from."""
    unknown = legs.filter(pl.col("start_position").is_null())["time"] // STEP_MS * STEP_MS
    holes = set(unknown.unique())
    known: Spans = []
    for start, end in covered:
        marks = [at for at in range(start, end, STEP_MS) if at not in holes]
        is_whole = len(marks) * STEP_MS == end - start
        known += [(start, end)] if is_whole else merged_spans((at, at + STEP_MS) for at in marks)
    return known
