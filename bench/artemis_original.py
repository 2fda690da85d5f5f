"""A day the way the original took it, row by row: the alternative that `bench artemis` has.

Written from the description in the specification (section 14) alone, as somebody would who means
it well: nothing is read, searched or asked twice that the description does not ask twice. What is
asked by coin and time has an index, the list of candles is left at the first one too late, and
open interest is a row a day, not one for every five minutes. Sums are floats. Two things exist
twice, as the libraries offer them and as somebody careful would use them: Parquet cell by cell or
by whole columns, and SQLite with its own settings or with a log and without waiting for the disk.

What the day's fills come to is computed right (a trade once, the victim's side), so that it can be
compared with Vigil's. Features, labels and profiles are the original's own, faults included: the
vectors of its behaviour hold. Less is asked of it than of Vigil there: four features are constants,
and a profile is of whole fills in pairs, longs only, without fees.
"""

import json
import sqlite3
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import lz4.frame
import pyarrow.parquet as pq

Fill = dict[str, Any]
Candle = dict[str, Any]
Reader = Callable[[Iterable[Path]], Iterator[Fill]]

MINUTE_MS = 60_000
BUCKET_MS = 300_000
HOUR_MS = 3_600_000
DAY_MS = 86_400_000

MINIMUM_WALLET_USD = 50_000
MINIMUM_FILLS, MINIMUM_PAIRS = 10, 5
HORIZONS_MS = {"15m": 900_000, "30m": 1_800_000, "1h": HOUR_MS, "4h": 4 * HOUR_MS}
LEVERAGE, FEE_ROE, CLIP_ROE = 20, 1.4, 20.0

COLUMNS = (
    "user_address",
    "coin",
    "px",
    "sz",
    "side",
    "time",
    "start_position",
    "crossed",
    "liquidation",
)
"""Read from Parquet."""


# --- fills ---------------------------------------------------------------------------------


def fills_by_cell(paths: Iterable[Path]) -> Iterator[Fill]:
    """A dictionary per fill, every field converted; from Parquet, cell by cell."""
    for path in paths:
        for batch in pq.ParquetFile(path).iter_batches(columns=list(COLUMNS)):
            columns = [batch.column(name) for name in COLUMNS]
            for row in range(batch.num_rows):
                yield _fill(*(column[row].as_py() for column in columns))


def fills_by_column(paths: Iterable[Path]) -> Iterator[Fill]:
    """The same, all cells of a column at once."""
    for path in paths:
        for batch in pq.ParquetFile(path).iter_batches(columns=list(COLUMNS)):
            for cells in zip(*(batch.column(n).to_pylist() for n in COLUMNS), strict=True):
                yield _fill(*cells)


def fills_of_raw(paths: Iterable[Path]) -> Iterator[Fill]:
    """The same from the node's own hourly objects; line by line."""
    for path in paths:
        with lz4.frame.open(path) as lines:
            for line in lines:
                for user, fill in json.loads(line)["events"]:
                    yield {
                        "user": user,
                        "coin": fill["coin"],
                        "px": float(fill["px"]),
                        "sz": float(fill["sz"]),
                        "side": fill["side"],
                        "time": int(fill["time"]),
                        "start": float(fill["startPosition"]),
                        "crossed": bool(fill["crossed"]),
                        "liquidation": fill.get("liquidation"),
                    }


def _fill(
    user: str,
    coin: str,
    px: Decimal,
    sz: Decimal,
    side: str,
    at: int,
    start: Decimal,
    crossed: bool,
    liquidation: str | None,
) -> Fill:
    return {
        "user": user,
        "coin": coin,
        "px": float(px),
        "sz": float(sz),
        "side": side,
        "time": int(at),
        "start": float(start),
        "crossed": bool(crossed),
        "liquidation": None if liquidation is None else json.loads(liquidation),
    }


class Market:
    """Candles, volume, flow, liquidations and changes of open interest, fill after fill."""

    def __init__(self) -> None:
        self.candles: dict[tuple[str, int, int], Candle] = {}
        self.flow: dict[tuple[str, int], dict[str, float]] = {}
        self.liquidations: list[dict[str, Any]] = []
        self.oi_changes: dict[tuple[str, int], float] = defaultdict(float)
        self.fills = 0

    def add(self, fill: Fill) -> None:
        """Spot is left out."""
        coin = fill["coin"]
        if coin.startswith(("@", "#")) or "/" in coin:
            return
        self.fills += 1
        bought = fill["side"] == "B"
        bucket = fill["time"] // BUCKET_MS * BUCKET_MS
        after = fill["start"] + (fill["sz"] if bought else -fill["sz"])
        self.oi_changes[coin, bucket] += max(after, 0.0) - max(fill["start"], 0.0)
        if fill["liquidation"] is not None:
            self._add_liquidation(fill, bought)
        if fill["crossed"]:
            self._add_trade(fill, bought, bucket)

    def _add_liquidation(self, fill: Fill, bought: bool) -> None:
        about = fill["liquidation"]
        usd = fill["px"] * fill["sz"]
        if fill["user"] == about["liquidatedUser"] and usd >= 100:
            self.liquidations.append(
                {
                    "coin": fill["coin"],
                    "occurred_at": fill["time"],
                    "side": "short" if bought else "long",
                    "size_usd": usd,
                    "price": fill["px"],
                    "address": fill["user"],
                    "method": about["method"],
                }
            )

    def _add_trade(self, fill: Fill, bought: bool, bucket: int) -> None:
        coin, usd = fill["coin"], fill["px"] * fill["sz"]
        flow = self.flow.get((coin, bucket))
        if flow is None:
            flow = self.flow[coin, bucket] = {"volume_usd": 0.0, "buy_usd": 0.0, "sell_usd": 0.0}
        flow["volume_usd"] += usd
        flow["buy_usd" if bought else "sell_usd"] += usd
        for length in (MINUTE_MS, BUCKET_MS):
            key = (coin, length, fill["time"] // length * length)
            candle = self.candles.get(key)
            if candle is None:
                px = fill["px"]
                self.candles[key] = {
                    "open": px,
                    "high": px,
                    "low": px,
                    "close": px,
                    "volume": fill["sz"],
                    "trades": 1,
                }
            else:
                candle["high"] = max(candle["high"], fill["px"])
                candle["low"] = min(candle["low"], fill["px"])
                candle["close"] = fill["px"]
                candle["volume"] += fill["sz"]
                candle["trades"] += 1


# --- balances ------------------------------------------------------------------------------


class Balances:
    """Open interest and seeded addresses of a day's records, line after line."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[float, list[dict[str, Any]]]] = {}

    def add(self, line: bytes) -> None:
        """Of two records of an address the later one is kept."""
        record = json.loads(line)
        if record.get("_metadata"):
            return
        address = record["address"].lower()
        at = datetime.fromisoformat(record["timestamp"]).replace(tzinfo=UTC).timestamp()
        if address in self._kept and self._kept[address][0] > at:
            return
        positions = []
        for entry in record["response"]["perpetual"]["assetPositions"]:
            position = entry["position"]
            liquidation_px = position.get("liquidationPx")
            positions.append(
                {
                    "coin": position["coin"],
                    "szi": float(position["szi"]),
                    "usd": abs(float(position["positionValue"])),
                    "entry_px": float(position["entryPx"]),
                    "liquidation_px": None if liquidation_px is None else float(liquidation_px),
                    "leverage": int(position["leverage"]["value"]),
                    "margin_used": float(position["marginUsed"]),
                }
            )
        self._kept[address] = (at, positions)

    def open_interest(self) -> dict[str, dict[str, float]]:
        """USD of longs and of shorts, and holders, per coin."""
        coins: dict[str, dict[str, float]] = {}
        for _, positions in self._kept.values():
            for position in positions:
                if not position["szi"]:
                    continue
                coin = coins.setdefault(position["coin"], {"long": 0.0, "short": 0.0, "holders": 0})
                coin["long" if position["szi"] > 0 else "short"] += position["usd"]
                coin["holders"] += 1
        return coins

    def addresses(self) -> list[str]:
        """Those with a position of 50,000 USD."""
        return [
            address
            for address, (_, positions) in self._kept.items()
            if any(position["usd"] >= MINIMUM_WALLET_USD for position in positions)
        ]


# --- profiles ------------------------------------------------------------------------------


def wallet_lists(fills: Iterable[Fill]) -> dict[str, list[Fill]]:
    """All fills of a day, by wallet."""
    wallets: dict[str, list[Fill]] = defaultdict(list)
    for fill in fills:
        wallets[fill["user"]].append(fill)
    return wallets


def wallet_profile(fills: list[Fill]) -> dict[str, Any] | None:
    """Whole fills in pairs, longs only, in percent, coin after coin; None with too few pairs."""
    coins: dict[str, list[Fill]] = defaultdict(list)
    for fill in sorted(fills, key=lambda fill: fill["time"]):
        coins[fill["coin"]].append(fill)
    gains, holds_ms = [], []
    for of_coin in coins.values():
        bought: deque[Fill] = deque()
        for fill in of_coin:
            if fill["side"] == "B":
                bought.append(fill)
            elif bought:
                entry = bought.popleft()
                gains.append((fill["px"] - entry["px"]) / entry["px"] * 100)
                holds_ms.append(fill["time"] - entry["time"])
    if len(gains) < MINIMUM_PAIRS:
        return None
    level = high = fall = 0.0
    for gain in gains:
        level += gain
        high = max(high, level)
        fall = max(fall, high - level)
    losses = -sum(gain for gain in gains if gain < 0)
    profits = sum(gain for gain in gains if gain > 0)
    hold_hours = sum(holds_ms) / len(holds_ms) / HOUR_MS
    per_day = len(gains) / max(1.0, sum(holds_ms) / DAY_MS)
    return {
        "win_rate": round(sum(gain > 0 for gain in gains) / len(gains), 4),
        "trade_count": len(gains),
        "profit_factor": round(profits / losses, 2) if losses else 999,
        "avg_hold_hours": round(hold_hours, 2),
        "avg_pnl_pct": round(sum(gains) / len(gains), 4),
        "max_drawdown": round(fall, 2),
        "style": _style(hold_hours),
        "is_bot": int(per_day > 50 and hold_hours * 60 < 2),
        "equity": 0,
    }


def _style(hold_hours: float) -> str:
    for style, below in (("scalper", 1), ("day_trader", 24), ("swing", 168)):
        if hold_hours < below:
            return style
    return "position"


def store_profiles(connection: sqlite3.Connection, wallets: dict[str, list[Fill]]) -> int:
    """Profile every wallet that traded enough, a row and a commit each; gives how many did."""
    enough = 0
    for address, fills in wallets.items():
        if len(fills) < MINIMUM_FILLS:
            continue
        if sum(fill["px"] * fill["sz"] for fill in fills) < MINIMUM_WALLET_USD:
            continue
        enough += 1
        profile = wallet_profile(fills)
        if profile is not None:
            _insert(connection, "wallet_profiles", {"address": address, **profile})
    return enough


# --- tables --------------------------------------------------------------------------------


FEATURES = (
    "liq_magnet_direction",
    "oi_vs_7d_avg_ratio",
    "liq_cascade_active",
    "liq_1h_vs_4h_avg",
    "funding_vs_30d_zscore",
    "hours_to_funding",
    "oi_funding_pressure",
    "cvd_normalized_5m",
    "price_change_5m_pct",
    "volume_vs_1h_avg_ratio",
    "realized_vol_1h",
    "sessions_overlapping",
)
FLAGS = (
    "liq_magnet_avail",
    "oi_7d_avail",
    "liq_cascade_avail",
    "funding_zscore_avail",
    "oi_funding_pressure_avail",
    "cvd_avail",
    "price_change_5m_avail",
    "volume_avail",
    "realized_vol_avail",
)
LABELS = (
    *(f"best_{side}_roe_{name}_gross" for name in HORIZONS_MS for side in ("long", "short")),
    *(f"best_{side}_roe_30m_net" for side in ("long", "short")),
    *(f"worst_{side}_mae_30m" for side in ("long", "short")),
)

_SCHEMA = f"""
    CREATE TABLE oi_history
        (coin TEXT, recorded_at INTEGER, oi_usd REAL, PRIMARY KEY (coin, recorded_at));
    CREATE TABLE volume_history
        (coin TEXT, recorded_at INTEGER, volume_usd REAL, PRIMARY KEY (coin, recorded_at));
    CREATE TABLE funding_history
        (coin TEXT, recorded_at INTEGER, rate REAL, PRIMARY KEY (coin, recorded_at));
    CREATE TABLE liquidation_events (coin TEXT, occurred_at INTEGER, size_usd REAL);
    CREATE INDEX liquidation_events_at ON liquidation_events (coin, occurred_at);
    CREATE TABLE feature_snapshots
        (snapshot_id TEXT PRIMARY KEY, coin TEXT, created_at INTEGER,
        {", ".join((*FEATURES, *FLAGS))}, UNIQUE (coin, created_at));
    CREATE TABLE snapshot_labels (snapshot_id TEXT PRIMARY KEY, {", ".join(LABELS)});
    CREATE TABLE wallet_profiles
        (address TEXT PRIMARY KEY, win_rate, trade_count, profit_factor, avg_hold_hours,
        avg_pnl_pct, max_drawdown, style, is_bot, equity);
"""


def open_database(path: Path, *, is_tuned: bool = False) -> sqlite3.Connection:
    """The file at the path, with empty tables where it is new.

    As SQLite comes, a commit waits until the disk has it. Tuned, it is kept in a log, and only the
    log's emptying waits.
    """
    is_new = not path.exists()
    connection = sqlite3.connect(path)
    if is_tuned:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
    if is_new:
        connection.executescript(_SCHEMA)
    return connection


def _insert(connection: sqlite3.Connection, table: str, row: dict[str, Any]) -> None:
    places = ", ".join("?" * len(row))
    connection.execute(
        f"INSERT OR REPLACE INTO {table} ({', '.join(row)}) VALUES ({places})",
        tuple(row.values()),
    )
    connection.commit()


# --- snapshots -----------------------------------------------------------------------------


def store_snapshots(
    connection: sqlite3.Connection, coin: str, times: Iterable[int], candles: list[Candle]
) -> int:
    """A row and a commit per instant, and again for its label; gives how many instants."""
    count = 0
    for at in times:
        name = f"{coin}-{at}"
        values, flags = features(connection, coin, at, candles)
        row = {"snapshot_id": name, "coin": coin, "created_at": at, **values, **flags}
        _insert(connection, "feature_snapshots", row)
        outcome = labels(candles, at)
        if outcome is not None:
            _insert(connection, "snapshot_labels", {"snapshot_id": name, **outcome})
        count += 1
    return count


def features(
    connection: sqlite3.Connection, coin: str, at: int, candles: list[Candle]
) -> tuple[dict[str, float], dict[str, int]]:
    """Twelve features and nine flags of one instant: ten questions.

    Sums and means have a beginning and no end, as they had.

    Args:
        connection: Tables of `open_database`.
        coin: Of the snapshot.
        at: Ms UTC.
        candles: Of five minutes, in order: `open_time`, `high`, `low`, `close`, `volume`.
    """

    def ask(what: str, bound: int) -> Any:
        return connection.execute(f"SELECT {what}", (coin, bound)).fetchone()

    last = "WHERE coin = ? AND recorded_at <= ? ORDER BY recorded_at DESC LIMIT 1"
    oi = ask(f"oi_usd FROM oi_history {last}", at)
    oi_hour_ago = ask(f"oi_usd FROM oi_history {last}", at - HOUR_MS)
    since = "WHERE coin = ? AND recorded_at >= ?"
    (mean_oi,) = ask(f"avg(oi_usd) FROM oi_history {since}", at - 7 * DAY_MS)
    died = "total(size_usd) FROM liquidation_events WHERE coin = ? AND occurred_at >= ?"
    (died_1h,), (died_4h,) = ask(died, at - HOUR_MS), ask(died, at - 4 * HOUR_MS)
    (mean_volume,) = ask(f"avg(volume_usd) FROM volume_history {since}", at - HOUR_MS)
    zscore, has_zscore = _zscore(connection, coin, at)
    # Stamps in ms compared with seconds: there never is a rate, and the question is asked.
    rate = ask(f"rate FROM funding_history {last}", at // 1000)
    pressure = 0.0
    if rate and oi and oi_hour_ago and oi_hour_ago[0]:
        pressure = 100 * (oi[0] - oi_hour_ago[0]) / oi_hour_ago[0] * rate[0]
    now, before = candle_at(candles, at), candle_at(candles, at - BUCKET_MS)
    has_change = now is not None and before is not None
    has_volume = now is not None and bool(mean_volume)
    ratio = 4 * died_1h / died_4h if died_4h else 1.0
    hour = at % DAY_MS / HOUR_MS
    sessions = sum(start <= int(hour) < end for start, end in ((0, 8), (7, 16), (13, 22)))
    values = {
        "liq_magnet_direction": 0.0,
        "oi_vs_7d_avg_ratio": oi[0] / mean_oi if oi and mean_oi else 1.0,
        "liq_cascade_active": int(ratio > 2.5 and died_1h > 500_000),
        "liq_1h_vs_4h_avg": ratio,
        "funding_vs_30d_zscore": zscore,
        "hours_to_funding": round(-hour % 8, 4),
        "oi_funding_pressure": pressure,
        "cvd_normalized_5m": 0.0,
        "price_change_5m_pct": 100 * (now["close"] / before["close"] - 1)
        if now and before
        else 0.0,
        "volume_vs_1h_avg_ratio": now["close"] * now["volume"] / mean_volume
        if now and mean_volume
        else 1.0,
        "realized_vol_1h": 0.0,
        "sessions_overlapping": min(2, sessions),
    }
    known = (0, oi and mean_oi, 1, has_zscore, 1, 0, has_change, has_volume, 0)
    return values, {flag: int(bool(is_there)) for flag, is_there in zip(FLAGS, known, strict=True)}


def _zscore(connection: sqlite3.Connection, coin: str, at: int) -> tuple[float, bool]:
    """Of the last row of all time, against thirty days."""
    last = connection.execute(
        "SELECT rate FROM funding_history WHERE coin = ? ORDER BY recorded_at DESC LIMIT 1", (coin,)
    ).fetchone()
    since = "FROM funding_history WHERE coin = ? AND recorded_at >= ?"
    window = (coin, at - 30 * DAY_MS)
    count, mean = connection.execute(f"SELECT count(*), avg(rate) {since}", window).fetchone()
    if count < 10:
        return 0.0, False
    (variance,) = connection.execute(
        f"SELECT avg((rate - ?) * (rate - ?)) {since}", (mean, mean, *window)
    ).fetchone()
    deviation = variance**0.5
    return ((last[0] - mean) / deviation if deviation >= 1e-10 else 0.0), True


def candle_at(candles: list[Candle], at: int) -> Candle | None:
    """The last candle that opens at the instant or before it, looked for from the first one on."""
    found = None
    for candle in candles:
        if candle["open_time"] > at:
            break
        found = candle
    return found


def labels(candles: list[Candle], at: int) -> dict[str, float] | None:
    """Outcomes from the price at `at` + 5 min; None with fewer than three later candles."""
    entry = candle_at(candles, at)
    later = [c for c in candles if at < c["open_time"] <= at + HORIZONS_MS["4h"]]
    if entry is None or len(later) < 3:
        return None
    price = entry["close"]
    outcome = {}
    for name, length in HORIZONS_MS.items():
        window = [candle for candle in later if candle["open_time"] <= at + length]
        high = max(candle["high"] for candle in window)
        low = min(candle["low"] for candle in window)
        up = _clipped((high / price - 1) * LEVERAGE * 100)
        down = _clipped((1 - low / price) * LEVERAGE * 100)
        outcome[f"best_long_roe_{name}_gross"] = up
        outcome[f"best_short_roe_{name}_gross"] = down
        if name == "30m":
            outcome["best_long_roe_30m_net"] = _clipped(up - FEE_ROE)
            outcome["best_short_roe_30m_net"] = _clipped(down - FEE_ROE)
            outcome["worst_long_mae_30m"] = -down
            outcome["worst_short_mae_30m"] = -up
    return outcome


def _clipped(roe: float) -> float:
    return max(-CLIP_ROE, min(CLIP_ROE, roe))
