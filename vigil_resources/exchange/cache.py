"""Funding and candles of the exchange's API in the lake: a finished UTC day is asked for once.

    exchange/funding/coin=BTC/day=2026-03-01/funding.parquet
    exchange/funding/coin=BTC/day=2026-03-01/asked.json          what is said of it, and when
    exchange/candles/interval=1m/coin=BTC/day=2026-03-01/candles.parquet, asked.json

A day is kept when it ended an hour ago; before, it is asked for each time. `asked.json` is written
last and holds the digest of the rows: it is the commit, and all that differs between two runs.
A day of which it says nothing, or something else than what lies there, is asked for again.
"""

import hashlib
import json
import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from vigil_core.calendar import DAY_MS, HOUR_MS, day_start_ms, days_between
from vigil_core.errors import ObjectMissing
from vigil_resources.exchange.answers import CANDLE_SCHEMA, FUNDING_SCHEMA, INTERVALS_MS, Candles
from vigil_resources.exchange.api import ExchangeApi
from vigil_resources.files.store import Store

FINAL_AFTER_MS = HOUR_MS
"""From a day's end until nothing of it changes any more: a rate may be stamped minutes late."""

_FUNDING_DAYS = 20
"""Asked for at a time: 480 rates, a page. What is interrupted loses no more than these."""

_CANDLES = 4_500
"""Likewise, in candles: fewer than one answer holds."""

_KEPT_CANDLES = 5_000
"""Of an interval: what is older the API has not."""

_ROOT = "exchange"


class ExchangeCache:
    """Funding and candles by UTC day: from the lake where it has them, else from the API.

    May be interrupted anywhere, and used by several processes: equal answers give equal bytes.

    Args:
        api: Asked for what the lake lacks.
        lake: Where finished days are kept.
        now_ms: The time, in ms since the epoch.
    """

    def __init__(
        self,
        api: ExchangeApi,
        lake: Store,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._api = api
        self._lake = lake
        self._now = now_ms

    def funding(self, coin: str, first: date, last: date) -> pl.DataFrame:
        """Settled rates whose stamp lies in the UTC days `first` to `last`, both included.

        Returns:
            Columns of `FUNDING_SCHEMA`, by `time`. Of a day that is not over, what there is.

        Raises:
            ExchangeRefused, ExchangeSilent, UnexpectedAnswer: As `ExchangeApi` does; what was
                answered before is kept.
        """
        now = self._now()
        held = self._held(_funding_folder(coin), "funding", first, last)
        for days in _runs(_missing(held, first, last, now), _FUNDING_DAYS):
            start, end = _bounds(days)
            rates = self._api.funding_history(coin, start, end)
            for day in days:
                rows = _of_day(rates, "time", day)
                held[day] = _Day(rows, ())
                self._keep(_funding_folder(coin), "funding", day, held[day], now)
        return _concat([held[day].rows for day in sorted(held)], FUNDING_SCHEMA)

    def candles(self, coin: str, interval: str, first: date, last: date) -> Candles:
        """Closed candles that opened in the UTC days `first` to `last`, both included.

        Of a finished day, what the API had when it was first asked: candles that were out of its
        reach then stay `unavailable`.

        Raises:
            ValueError: There is no such interval, or it is longer than a day.
            ExchangeRefused, ExchangeSilent, UnexpectedAnswer: As `ExchangeApi` does; what was
                answered before is kept.
        """
        if INTERVALS_MS.get(interval, DAY_MS + 1) > DAY_MS:
            raise ValueError(f"interval {interval!r}: expected one that divides a day")
        now = self._now()
        folder = _candles_folder(coin, interval)
        held = self._held(folder, "candles", first, last)
        at_once = max(1, _CANDLES * INTERVALS_MS[interval] // DAY_MS)
        for days in _runs(_missing(held, first, last, now), at_once):
            start, end = _bounds(days)
            candles = self._api.candles(coin, interval, start, end, now_ms=now)
            for day in days:
                rows = _of_day(candles.rows, "open_time", day)
                held[day] = _Day(rows, _cut(candles.unavailable, day))
                self._keep(folder, "candles", day, held[day], now)
        end_ms = min(day_start_ms(last) + DAY_MS, now - INTERVALS_MS[interval] + 1)
        start_ms = day_start_ms(first)
        return Candles(
            _concat([held[day].rows for day in sorted(held)], CANDLE_SCHEMA),
            start_ms,
            max(start_ms, end_ms),
            _joined(gap for day in sorted(held) for gap in held[day].unavailable),
        )

    def has_candles(self, coin: str, interval: str, day: date) -> bool:
        """Whether a finished day's candles lie in the lake, or can still be asked for."""
        now = self._now()
        if self._read(_candles_folder(coin, interval), "candles", day) is not None:
            return True
        age = now - day_start_ms(day)
        return _is_final(day, now) and age <= _KEPT_CANDLES * INTERVALS_MS[interval]

    # --- below: a day in the lake --------------------------------------------------------------

    def _held(self, folder: str, name: str, first: date, last: date) -> dict[date, "_Day"]:
        days = {day: self._read(folder, name, day) for day in days_between(first, last)}
        return {day: held for day, held in days.items() if held is not None}

    def _read(self, folder: str, name: str, day: date) -> "_Day | None":
        """A day as it was kept; None where it was not, or is not whole any more."""
        try:
            said = json.loads(self._lake.read(_said_key(folder, day)))
            content = self._lake.read(_rows_key(folder, name, day))
            digest, gaps = said["sha256"], said["unavailable"]
        except (ObjectMissing, ValueError, KeyError, TypeError):
            return None
        if hashlib.sha256(content).hexdigest() != digest:
            return None
        rows = pl.DataFrame(pl.from_arrow(pq.read_table(pa.BufferReader(content))))
        return _Day(rows.cast(_SCHEMAS[name]), tuple((a, b) for a, b in gaps))  # type: ignore[arg-type]

    def _keep(self, folder: str, name: str, day: date, held: "_Day", now: int) -> None:
        if not _is_final(day, now):
            return
        content = _parquet(held.rows, _SCHEMAS[name])
        said = {
            "day": str(day),
            "rows": held.rows.height,
            "sha256": hashlib.sha256(content).hexdigest(),
            "unavailable": [list(gap) for gap in held.unavailable],
            "source": self._api.url,
            "fetched_at": datetime.fromtimestamp(now / 1000, UTC).isoformat(),
        }
        self._lake.write(_rows_key(folder, name, day), content)
        text = json.dumps(said, indent=1, sort_keys=True) + "\n"
        self._lake.write(_said_key(folder, day), text.encode())


@dataclass(frozen=True, slots=True)
class _Day:
    rows: pl.DataFrame
    unavailable: tuple[tuple[int, int], ...]


_SCHEMAS = {"funding": FUNDING_SCHEMA, "candles": CANDLE_SCHEMA}


def coin_folder(coin: str) -> str:
    """A coin's name as a part of a key: what is no letter, digit, point or hyphen in hex.

    Not percent-encoded: some stores encode the percent sign once more.

    >>> coin_folder("kPEPE"), coin_folder("PURR/USDC"), coin_folder("@107")
    ('coin=kPEPE', 'coin=PURR_2FUSDC', 'coin=_40107')
    """
    encoded = (
        letter if re.fullmatch("[A-Za-z0-9.-]", letter) else f"_{letter.encode().hex().upper()}"
        for letter in coin
    )
    return f"coin={''.join(encoded)}"


def _funding_folder(coin: str) -> str:
    return f"{_ROOT}/funding/{coin_folder(coin)}"


def _candles_folder(coin: str, interval: str) -> str:
    return f"{_ROOT}/candles/interval={interval}/{coin_folder(coin)}"


def _rows_key(folder: str, name: str, day: date) -> str:
    return f"{folder}/day={day}/{name}.parquet"


def _said_key(folder: str, day: date) -> str:
    return f"{folder}/day={day}/asked.json"


def _is_final(day: date, now_ms: int) -> bool:
    return now_ms >= day_start_ms(day) + DAY_MS + FINAL_AFTER_MS


def _missing(held: dict[date, _Day], first: date, last: date, now_ms: int) -> list[date]:
    """Days to ask for; those that have not begun are none."""
    days = days_between(first, last)
    return [day for day in days if day not in held and day_start_ms(day) <= now_ms]


def _runs(days: Sequence[date], longest: int) -> Iterator[list[date]]:
    """Days in a row, together as far as they are at most `longest`."""
    run: list[date] = []
    for day in days:
        if run and (day != run[-1] + timedelta(days=1) or len(run) == longest):
            yield run
            run = []
        run.append(day)
    if run:
        yield run


def _bounds(days: Sequence[date]) -> tuple[int, int]:
    return day_start_ms(days[0]), day_start_ms(days[-1]) + DAY_MS


def _of_day(rows: pl.DataFrame, time: str, day: date) -> pl.DataFrame:
    start = day_start_ms(day)
    return rows.filter(pl.col(time).is_between(start, start + DAY_MS, closed="left"))


def _cut(gaps: Sequence[tuple[int, int]], day: date) -> tuple[tuple[int, int], ...]:
    """What of some windows lies in a day."""
    start = day_start_ms(day)
    parts = ((max(a, start), min(b, start + DAY_MS)) for a, b in gaps)
    return tuple((a, b) for a, b in parts if a < b)


def _joined(gaps: Iterator[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """Windows in order, those that touch as one."""
    joined: list[tuple[int, int]] = []
    for start, end in gaps:
        if joined and joined[-1][1] == start:
            start = joined.pop()[0]
        joined.append((start, end))
    return tuple(joined)


def _concat(frames: list[pl.DataFrame], schema: dict[str, pl.DataType]) -> pl.DataFrame:
    return pl.concat([pl.DataFrame(schema=schema), *frames])


def _parquet(rows: pl.DataFrame, schema: dict[str, pl.DataType]) -> bytes:
    oldest = pl.CompatLevel.oldest()
    wanted = pl.DataFrame(schema=schema).to_arrow(compat_level=oldest).schema
    # One chunk, whatever pages it came in: the same rows, the same bytes.
    table = rows.rechunk().to_arrow(compat_level=oldest).cast(wanted).combine_chunks()
    sink = pa.BufferOutputStream()
    pq.write_table(
        table,
        sink,
        compression="zstd",
        compression_level=3,
        write_statistics=True,
        sorting_columns=[pq.SortingColumn(0)],
    )
    return bytes(sink.getvalue())
