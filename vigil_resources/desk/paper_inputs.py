"""What a day of a paper account is made of: the leader's signals, his settings, and the tape."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import psycopg

from vigil_core.calendar import HOUR_MS
from vigil_core.desk.copying import SettingsFrom, exact, filter_settings
from vigil_core.desk.markets import Print, Stretch, Window
from vigil_core.desk.signals import LeaderFill, Signal, SignalReader, Step
from vigil_resources.statements import query

FILLS = "fills"

Connection = psycopg.Connection[Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperTrader:
    """Whose account moves, from when on of the day, and how the day before left it."""

    trader_id: int
    user_address: str | None
    name: str
    starts_at: int
    reader: dict[str, Any] | None
    account: dict[str, Any] | None

    @property
    def key(self) -> str:
        """What the engine calls him."""
        return str(self.trader_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class DaysSignals:
    """The signals of a day in the order in which they came, and where fills may still merge."""

    own: list[Signal]
    """Read from the leader's fills."""
    outside: list[Signal]
    """From the API, chats and imports."""
    reader: dict[str, Any]
    basis: Mapping[str, dict[str, Any]]
    """By key of a signal of one's own: what its confidence stands on."""

    @property
    def all(self) -> list[Signal]:
        """For the engine."""
        return self.own + self.outside


def key_of(source: str, source_key: str) -> str:
    """What the engine calls a signal: unique among all of a trader."""
    return source_key if source == FILLS else f"{source}/{source_key}"


def source_of(key: str) -> tuple[str, str]:
    """The opposite: source, and its key there."""
    source, slash, source_key = key.partition("/")
    if slash and source in {"api", "telegram", "import"}:
        return source, source_key
    return FILLS, key


def read_signals(connection: Connection, trader: PaperTrader, end: int) -> DaysSignals:
    """What the account decides about from the trader's start on the day until its end."""
    reader = SignalReader(trader.key, trader.reader)
    own = reader.read(_fills(connection, trader, end))
    opening = [signal for signal in own if signal.action == "open"]
    asked = {
        "user_address": trader.user_address,
        "times": sorted({signal.time for signal in opening}),
    }
    basis: dict[str, dict[str, Any]] = {}
    if opening:
        leverages = dict(connection.execute(query("desk/leader_leverage"), asked).fetchall())
        found = connection.execute(query("desk/leader_confidence"), asked).fetchall()
        confidences = {time: (lower, decided) for time, lower, decided in found}
        for signal in opening:
            signal.leverage = leverages.get(signal.time)
            if signal.time in confidences:
                signal.confidence, decided = confidences[signal.time]
                said = {"confidence_basis": "wilson_win_rate", "decided_trades": decided}
                basis[signal.key] = said
    outside = _outside(connection, trader, end)
    return DaysSignals(own=own, outside=outside, reader=reader.state(), basis=basis)


def _fills(connection: Connection, trader: PaperTrader, end: int) -> Iterable[LeaderFill]:
    if trader.user_address is None:
        return
    asked = {
        "user_address": trader.user_address,
        "starts_at": trader.starts_at,
        "ends_at": end,
    }
    for row in connection.execute(query("desk/leader_fills"), asked):
        yield LeaderFill(**dict(zip(LeaderFill.__dataclass_fields__, row, strict=True)))


def _outside(connection: Connection, trader: PaperTrader, end: int) -> list[Signal]:
    """A signal from outside is acted on when it came, however long ago it was meant."""
    asked = {"trader_id": trader.trader_id, "starts_at": trader.starts_at, "ends_at": end}
    found: list[Signal] = []
    rows = connection.execute(query("desk/outside_signals"), asked).fetchall()
    for seq, (source, key, action, coin, side, px, size, share, *rest) in enumerate(rows):
        leverage, confidence, at, of = rest
        if px is None:
            before = {"coin": coin, "at": at}
            row = connection.execute(query("desk/price_before"), before).fetchone()
            # Of a coin without a price nothing can be bought either: any price says so.
            px = Decimal(1) if row is None else row[0]
        taken = Decimal(1) if action == "close" or share is None else Decimal(repr(share))
        step = Step(time=at, px=px, share=taken, seq=seq)
        found.append(
            Signal(
                trader=trader.key, key=key_of(source, key), action=action, coin=coin, side=side,
                time=at, px=px, size=size, leverage=leverage, confidence=confidence, of=of,
                seq=seq, steps=[] if action == "open" else [step],
            )
        )  # fmt: skip
    return found


def read_settings(
    connection: Connection, trader: PaperTrader, end: int
) -> tuple[list[SettingsFrom], Decimal]:
    """The versions in force until the day's end, and the capital that the first of them names."""
    asked = {"trader_id": trader.trader_id, "starts_at": trader.starts_at, "ends_at": end}
    rows = connection.execute(query("desk/settings_between"), asked).fetchall()
    versions = [
        SettingsFrom(
            trader=trader.key, time=at, version=version, settings=filter_settings(settings)
        )
        for version, at, settings in rows
    ]
    return versions, Decimal(str(rows[0][2]["paper_capital_usd"]))


def stretch_of(
    connection: Connection,
    trader: PaperTrader,
    span: tuple[int, int],
    signals: Sequence[Signal],
    settings: Sequence[SettingsFrom],
    account: Mapping[str, Any],
) -> Stretch:
    """The day (`span`, ms) as the engine takes it, valued at the tape's hours.

    `account` is as the day before left it.
    """
    start, end = span
    held = {copy["coin"] for copy in account["open"]} | {w[0]["coin"] for w in account["waiting"]}
    coins = sorted(held | {signal.coin for signal in signals})
    known = {coin: Decimal(px) for coin, px in account["marks"].items()}
    prices = _hourly_prices(connection, coins, known, start, end)
    asked = {"coins": coins, "starts_at": start, "ends_at": end}
    rates = connection.execute(query("desk/funding_rates"), asked).fetchall() if coins else []
    funding: dict[str, dict[int, Decimal]] = defaultdict(dict)
    with exact():
        for coin, hour, rate in rates:
            if (coin, hour) in prices:
                funding[coin][hour] = rate * prices[coin, hour]
    return Stretch(
        start=trader.starts_at,
        end=end,
        signals=signals,
        settings=settings,
        marks={(coin, end): prices[coin, end] for coin in coins if (coin, end) in prices},
        funding=funding,
    )


def _hourly_prices(
    connection: Connection, coins: list[str], known: Mapping[str, Decimal], start: int, end: int
) -> dict[tuple[str, int], Decimal]:
    """The last price before each full hour in [start, end], by coin.

    A quiet hour keeps the one before.
    """
    if not coins:
        return {}
    asked = {"coins": coins, "starts_at": start - HOUR_MS, "ends_at": end}
    rows = connection.execute(query("desk/hourly_prices"), asked).fetchall()
    found = {(coin, hour): px for coin, hour, px in rows}
    prices: dict[tuple[str, int], Decimal] = {}
    for coin in coins:
        last = known.get(coin)
        for hour in range(start, end + 1, HOUR_MS):
            last = found.get((coin, hour), last)
            if last is not None:
                prices[coin, hour] = last
    return prices


def read_prints(
    connection: Connection, windows: Sequence[Window]
) -> Mapping[Window, Sequence[Print]]:
    """The trades in each window, in the order of the tape."""
    found: dict[Window, list[Print]] = {window: [] for window in windows}
    asked = {
        "coins": [window.coin for window in windows],
        "starts": [window.start for window in windows],
        "ends": [window.end for window in windows],
    }
    rows = connection.execute(query("desk/prints"), asked) if windows else ()
    for number, time, px, sz, side in rows:
        found[windows[number - 1]].append(Print(time, px, sz, side))
    return found
