"""The tables of the feature line, extended as the events come: snapshots at their own instant.

No formula stands here: candles and flow are `tape`'s, what is carried is `open_interest`'s, a row
is `features`'. This module holds what they need to go on from, and forgets the rest.

What counts is what has arrived. An event that comes after a mark was taken is not in the mark's
row; the tables follow, so that it is in later ones.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from decimal import Decimal

import polars as pl

from vigil_core.artemis.features import LEGS, TABLES, MarketTables, features, oi_changes
from vigil_core.artemis.open_interest import carried, snapshot_rows
from vigil_core.artemis.parameters import DEFAULT, MINUTE_MS, STEP_MS, Parameters
from vigil_core.artemis.tape import candles, flow, liquidation_events, merged_spans, trades
from vigil_core.calendar import DAY_MS, HOUR_MS
from vigil_core.errors import UnexpectedColumns
from vigil_core.fills.schema import LAKE_SCHEMA, MONEY

Spans = list[tuple[int, int]]

LEG_COLUMNS = (
    "time",
    "user_address",
    "coin",
    "px",
    "sz",
    "side",
    "dir",
    "crossed",
    "tid",
    "liquidation",
    "start_position",
    "block_number",
    "event_index",
)
"""Of a fill, as in `LAKE_SCHEMA`."""

_COIN = {"coin": pl.String()}
_CANDLE = _COIN | TABLES["candles_5m"] | {"filled": pl.Boolean()}

STORED: dict[str, dict[str, pl.DataType]] = {
    "candles_1m": _CANDLE,
    "candles_5m": _CANDLE,
    "flow": _COIN | TABLES["flow"],
    "liquidations": _COIN | TABLES["liquidations"],
    "oi": _COIN | TABLES["oi"],
    "oi_changes": _COIN | TABLES["oi_changes"],
    "funding": _COIN | TABLES["funding"],
    "balances": TABLES["balances"],
    "positions": _COIN | TABLES["positions"],
    "bots": TABLES["bots"],
    "covered": TABLES["fills_covered"],
}
"""The tables to start from and to go on with: those of `MarketTables`, of all coins.

`covered` are the spans all of whose fills are in them. A NULL `change_base` says that a fill of
that time did not know its start position.
"""

REACH_MS = 27 * HOUR_MS
"""Nothing made of fills is looked at any longer than this: balances may be 26 hours old."""

OI_REACH_MS, FUNDING_REACH_MS = 8 * DAY_MS, 31 * DAY_MS
BALANCES_REACH_MS = DAY_MS
"""Before the start of the day of the mark. History reads as far: how far decides between
`no_data` and `insufficient_coverage`."""

_EVENT = ["block_number", "event_index"]
_LENGTHS = {"candles_1m": MINUTE_MS, "candles_5m": STEP_MS}
_TIMES = {**dict.fromkeys(_LENGTHS, "open_time"), "flow": "recorded_at"}
_TIMES |= {"liquidations": "occurred_at", "oi_changes": "start"}
"""The tables made of fills, and what their rows are placed by."""


class LiveMarket:
    """What a collector knows of some coins, and their rows at each mark of five minutes.

    Fed from one thread, in any order; nothing is read from a clock. A fill fed twice counts once,
    as long as it is remembered. Held are the fills of the last `memory_ms`, the change of open
    interest of each ms with fills of 27 hours, the last balances, and rows of minutes and hours.

    Args:
        coins: Perps of which there are rows; fills of others are passed over.
        begin: A mark, ms UTC. What `tables` say of fills before it stays as it is; from here on
            fills are fed.
        tables: Columns of `STORED` by name; one left out is empty. Those that history stores, or
            what `tables` of another market gave.
        vaults: See `tape.liquidation_events`.
        parameters: See `features`.
        memory_ms: How late a fill may come and still find its place, or a span be covered.

    Raises:
        ValueError: `begin` is no mark.
    """

    def __init__(
        self,
        coins: Collection[str],
        begin: int,
        tables: Mapping[str, pl.DataFrame] | None = None,
        *,
        vaults: Collection[str] = (),
        parameters: Parameters = DEFAULT,
        memory_ms: int = 4 * HOUR_MS,
    ) -> None:
        if begin % STEP_MS:
            raise ValueError(f"begin: expected a mark of {STEP_MS} ms, found {begin}")
        self._coins = sorted(set(coins))
        self._vaults = vaults
        self._parameters = parameters
        self._memory_ms = memory_ms
        given = tables or {}
        self._tables = {
            name: given.get(name, pl.DataFrame(schema=schema)).select(list(schema)).cast(schema)  # type: ignore[arg-type]
            for name, schema in STORED.items()
        }
        self._covered = merged_spans(
            (start, min(end, begin)) for start, end in self._tables.pop("covered").iter_rows()
        )
        for name, time in _TIMES.items():
            self._tables[name] = self._tables[name].filter(pl.col(time) < begin)
        self._legs = pl.DataFrame(schema={name: LAKE_SCHEMA[name] for name in LEG_COLUMNS})
        self._arrived: list[pl.DataFrame] = []
        self._oldest = begin
        self._taken = begin - 1
        # From where on candles and flow are to be made again, and open interest to be carried
        # again: its row at `begin` is history's of the day that begins there, not made yet.
        self._since = begin
        self._carried_since = begin - 1
        self.too_late = 0
        """Fills that came when those of their time were forgotten. Their five minutes are not
        covered any more."""

    # --- what comes in ---------------------------------------------------------------------

    def fills(self, legs: pl.DataFrame) -> None:
        """Take fills in, both sides of each trade: a block of them, or as many as there are.

        Args:
            legs: `LEG_COLUMNS`, and any others.

        Raises:
            UnexpectedColumns: One of them is missing.
            ValueError: A fill has no place in a block, by which a repeated one is known.
        """
        missing = [name for name in LEG_COLUMNS if name not in legs.columns]
        if missing:
            raise UnexpectedColumns("fills", missing, legs.columns)
        if any(legs[name].null_count() for name in _EVENT):
            raise ValueError("fills: expected a block number and an event index of each")
        self._arrived.append(legs.select(LEG_COLUMNS).filter(pl.col("coin").is_in(self._coins)))

    def covered(self, start: int, end: int) -> None:
        """Promise that all fills stamped in [start, end), ms UTC, have been fed.

        What was never promised is unknown. A gap may be closed while its fills are remembered.
        """
        start = max(start, self._oldest)
        for since, until in self._covered:
            if since <= start <= until:
                start = until
        if start < end:
            self._covered = merged_spans([*self._covered, (start, end)])
            self._since = min(self._since, start)

    def balances(self, recorded_at: int, positions: pl.DataFrame) -> None:
        """Take a snapshot of all accounts in; the same one again replaces it.

        Args:
            recorded_at: When its last account was recorded, ms UTC.
            positions: `coin, address, szi, position_value, liquidation_px` of every position, as
                in `balances.POSITION_SCHEMA`.
        """
        held = positions.filter(pl.col("coin").is_in(self._coins)).with_columns(
            pl.lit(recorded_at, pl.Int64).alias("recorded_at")
        )
        counted = snapshot_rows(held, recorded_at)
        is_same = pl.col("recorded_at") == recorded_at
        self._add("balances", pl.DataFrame({"recorded_at": [recorded_at]}), ~is_same)
        self._add("positions", held, ~is_same)
        self._add("oi", counted, ~(is_same & (pl.col("kind") == "snapshot")))
        self._forget_undivided(recorded_at)
        self._carried_since = min(self._carried_since, recorded_at)

    def funding(self, rates: pl.DataFrame) -> None:
        """Take settled rates in: `coin, time` (the exchange's stamp, ms), `rate` (per hour)."""
        new = rates.filter(pl.col("coin").is_in(self._coins))
        key = ["coin", "time"]
        self._tables["funding"] = self._tables["funding"].join(new, on=key, how="anti")
        self._add("funding", new.unique(key, keep="last", maintain_order=True))

    def bots(self, as_of: int, addresses: Collection[str]) -> None:
        """Take the addresses in that count as bots on the day that starts at `as_of`, ms UTC."""
        rows = pl.DataFrame({"address": sorted(set(addresses))}, schema={"address": pl.String})
        stamped = rows.with_columns(pl.lit(as_of, pl.Int64).alias("as_of"))
        self._add("bots", stamped, pl.col("as_of") != as_of)

    # --- what comes out --------------------------------------------------------------------

    def take(self, t: int) -> pl.DataFrame:
        """The rows of mark `t`, one per coin, from all that has arrived until now.

        Marks may be left out: the tables go on without their rows.

        Args:
            t: Later than the mark taken before, and not before `begin`; ms UTC.

        Returns:
            Columns of `features.SCHEMA`, by coin.

        Raises:
            ValueError: `t` is no mark, or an earlier one.
        """
        if t % STEP_MS or t <= self._taken:
            raise ValueError(f"expected a mark of {STEP_MS} ms after {self._taken}, found {t}")
        self._place_arrived()
        self._extend(t)
        self._forget(t)
        self._carry(t)
        self._taken = t
        return pl.concat(
            features(self._market(coin), coin, [t], self._parameters) for coin in self._coins
        )

    def tables(self) -> dict[str, pl.DataFrame]:
        """All that is held, to start another market from at the mark taken last.

        Fills and spans from that mark on are not in it.
        """
        return self._tables | {"covered": _spans(self._covered)}

    def _market(self, coin: str) -> MarketTables:
        mine = {
            name: table.filter(pl.col("coin") == coin)
            for name, table in self._tables.items()
            if "coin" in table.columns
        }
        moves = mine.pop("oi_changes")
        known = moves.drop_nulls("change_base")
        anchors = mine["oi"].filter(pl.col("kind") == "snapshot")["recorded_at"]
        unknown = moves.filter(pl.col("change_base").is_null()).select("start", "end")
        return MarketTables(
            **mine,
            oi_changes=oi_changes(_as_legs(known), anchors.to_list()),
            fills_covered=_spans(_without(self._covered, unknown.iter_rows())),
            liquidations_covered=_spans(self._covered),
            balances=self._tables["balances"],
            bots=self._tables["bots"],
        )

    # --- fills -----------------------------------------------------------------------------

    def _place_arrived(self) -> None:
        """Put fills that are new among those remembered, and note from where on tables change."""
        arrived = pl.concat([self._legs.clear(), *self._arrived])
        self._arrived = []
        once = arrived.unique(_EVENT, keep="first", maintain_order=True)
        new = once.join(self._legs, on=_EVENT, how="anti", maintain_order="left")
        is_late = pl.col("time") < self._oldest
        self._give_up(new.filter(is_late)["time"])
        new = new.filter(~is_late)
        if not new.is_empty():
            self._legs = pl.concat([self._legs, new])
            self._add("oi_changes", _moves(new))
            self._since = min(self._since, *new["time"])

    def _extend(self, t: int) -> None:
        """Make candles, flow and liquidations from the first change until `t`."""
        start = self._since // STEP_MS * STEP_MS
        midnights = range(start - start % DAY_MS + DAY_MS, t, DAY_MS)
        for since, until in zip([start, *midnights], [*midnights, t], strict=True):
            self._rebuild(since, until)
        self._carried_since = min(self._carried_since, start)
        self._since = t

    def _rebuild(self, start: int, end: int) -> None:
        """Likewise, within one UTC day."""
        legs = self._legs.filter(pl.col("time").is_between(start, end, closed="left"))
        tape, spans, coins = trades(legs), self._covered, self._coins
        for name, length in _LENGTHS.items():
            closes = self._closes(name, start)
            rows = candles(tape, length, start, end, spans, closes, coins)
            self._add(name, rows, pl.col("open_time") < start)
        self._add("flow", flow(tape, start, end, spans, coins), pl.col("recorded_at") < start)
        events = liquidation_events(legs, self._vaults)
        self._add("liquidations", events, pl.col("occurred_at") < start)

    def _closes(self, name: str, at: int) -> dict[str, Decimal]:
        """Of the candles that end at an instant."""
        time = pl.col("open_time")
        before = self._tables[name].filter(time >= at - DAY_MS, time < at)
        last = before.filter(time == at - _LENGTHS[name])
        if at % DAY_MS == 0:
            # History builds days: a coin that was not traded in one has no close in the next.
            last = last.join(before.filter(~pl.col("filled")), on="coin", how="semi")
        return dict(last.select("coin", "close").iter_rows())

    def _give_up(self, times: pl.Series) -> None:
        """What is known of these times is wrong, and cannot be made again: it is unknown."""
        self.too_late += times.len()
        for start in (times // STEP_MS * STEP_MS).unique().sort():
            end = start + STEP_MS
            self._covered = _without(self._covered, [(start, end)])
            for name in ("flow", "liquidations"):
                inside = pl.col(_TIMES[name]).is_between(start, end, closed="left")
                self._tables[name] = self._tables[name].filter(~inside)
            for name in _LENGTHS:
                # Candles that were flat at a close in there, until the next trade, go with it.
                after = self._tables[name].filter(pl.col("open_time") >= end).sort("open_time")
                traded = (~pl.col("filled")).cum_sum().over("coin") > 0
                before = self._tables[name].filter(pl.col("open_time") < start)
                self._tables[name] = pl.concat([before, after.filter(traded)])
            self._carried_since = min(self._carried_since, start)

    # --- open interest ---------------------------------------------------------------------

    def _carry(self, t: int) -> None:
        """Carry open interest to every mark until `t` that a fill or snapshot has changed."""
        first = max(self._carried_since // STEP_MS * STEP_MS, t - REACH_MS) + STEP_MS
        oi, moves = self._tables["oi"], self._tables["oi_changes"]
        is_snapshot = pl.col("kind") == "snapshot"
        anchors = oi.filter(is_snapshot).join(self._tables["balances"], on="recorded_at")
        closes = self._tables["candles_5m"]
        marks = range(first, t + STEP_MS, STEP_MS)
        rows = carried(anchors, _as_legs(moves), marks, closes, self._covered)
        usable = rows.with_columns(pl.lit(value=True).alias("usable"))
        self._add("oi", usable, is_snapshot | (pl.col("recorded_at") < first))
        self._carried_since = t

    def _forget_undivided(self, at: int) -> None:
        """Changes that a stored piece does not place before or after an instant are unknown."""
        straddles = (pl.col("start") < at) & (pl.col("end") > at)
        self._tables["oi_changes"] = self._tables["oi_changes"].with_columns(
            pl.when(straddles).then(at).otherwise("start").alias("start"),
            pl.when(~straddles).then("change_base").alias("change_base"),
        )

    # --- tables ----------------------------------------------------------------------------

    def _add(self, name: str, rows: pl.DataFrame, keep: pl.Expr | None = None) -> None:
        """Add rows to those of a table, or to those of them that are kept."""
        table = self._tables[name] if keep is None else self._tables[name].filter(keep)
        schema = STORED[name]
        self._tables[name] = pl.concat([table, rows.select(list(schema)).cast(schema)])  # type: ignore[arg-type]

    def _forget(self, t: int) -> None:
        """Let go what no mark from `t` on looks at."""
        day = t - t % DAY_MS
        kept = {name: pl.col(time) >= t - REACH_MS for name, time in _TIMES.items()}
        kept["oi"] = pl.col("recorded_at") >= day - OI_REACH_MS
        kept["funding"] = pl.col("time") >= day - FUNDING_REACH_MS
        # What has no times of its own is stamped with the end of its day: that day's still.
        kept["balances"] = pl.col("recorded_at") > day - BALANCES_REACH_MS
        kept["positions"] = kept["balances"]
        kept["bots"] = pl.col("as_of") >= day
        for name, keep in kept.items():
            self._tables[name] = self._tables[name].filter(keep)
        self._oldest = max(self._oldest, (t - self._memory_ms) // STEP_MS * STEP_MS)
        self._legs = self._legs.filter(pl.col("time") >= self._oldest)
        self._covered = [span for span in self._covered if span[1] > t - REACH_MS]


def _moves(legs: pl.DataFrame) -> pl.DataFrame:
    """How far each ms moved the open interest; at such small pieces any anchor may cut later."""
    found = [pl.DataFrame(schema=STORED["oi_changes"])]
    for (coin,), rows in sorted(legs.group_by("coin")):
        times = rows["time"].unique()
        known = rows.filter(pl.col("start_position").is_not_null())
        pieces = oi_changes(known.select(list(LEGS)), [*times, *(times + 1)])
        unknown = rows.filter(pl.col("start_position").is_null()).select(
            pl.col("time").alias("start"),
            (pl.col("time") + 1).alias("end"),
            pl.lit(None, MONEY).alias("change_base"),
        )
        both = pl.concat([pieces, unknown.unique(maintain_order=True)])
        found.append(both.select(pl.lit(coin).alias("coin"), pl.all()))
    return pl.concat(found)


def _as_legs(moves: pl.DataFrame) -> pl.DataFrame:
    """For each change one fill that makes it: a long that is opened, or closed."""
    change, nothing = pl.col("change_base"), pl.lit(Decimal(0), MONEY)
    is_less = change < 0
    position = pl.when(is_less).then(-change).otherwise(nothing)
    return moves.select(
        "coin",
        pl.col("start").alias("time"),
        pl.when(is_less).then(pl.lit("A")).otherwise(pl.lit("B")).alias("side"),
        change.abs().fill_null(nothing).cast(MONEY).alias("sz"),
        pl.when(change.is_not_null()).then(position).cast(MONEY).alias("start_position"),
    )


def _spans(spans: Iterable[tuple[int, int]]) -> pl.DataFrame:
    return pl.DataFrame(list(spans), schema=STORED["covered"], orient="row")


def _without(spans: Spans, holes: Iterable[tuple[int, ...]]) -> Spans:
    """The spans less the holes."""
    left = spans
    for start, end in holes:
        left = list(_cut(left, start, end))
    return left


def _cut(spans: Spans, start: int, end: int) -> Iterator[tuple[int, int]]:
    for since, until in spans:
        for part in ((since, min(until, start)), (max(since, end), until)):
            if part[0] < part[1]:
                yield part
