"""Candles and funding as the info API would give them."""

from collections import defaultdict
from decimal import Decimal
from urllib.parse import unquote

from vigil_sandbox.world import TINY

from .oracle import DAY_MS, HOUR_MS, Fill, WorldFiles, is_spot

MINUTE_MS = 60_000


def test_candles_agree_with_the_buyers_fills_in_file_order(files: WorldFiles) -> None:
    minutes: dict[tuple[str, int], list[Fill]] = defaultdict(list)
    for buyer, _ in files.trades:
        minutes[buyer["coin"], buyer["time"] // MINUTE_MS * MINUTE_MS].append(buyer)

    candles = {(row["s"], row["t"]): row for rows in files.api("candles").values() for row in rows}

    assert candles.keys() == minutes.keys()
    for (coin, minute_ms), fills in minutes.items():
        prices = [Decimal(fill["px"]) for fill in fills]
        row = candles[coin, minute_ms]
        assert list(row) == ["t", "T", "s", "i", "o", "c", "h", "l", "v", "n"]
        assert (row["T"], row["i"]) == (minute_ms + MINUTE_MS - 1, "1m")
        assert Decimal(row["o"]) == prices[0]
        assert Decimal(row["c"]) == prices[-1]
        assert Decimal(row["h"]) == max(prices)
        assert Decimal(row["l"]) == min(prices)
        assert Decimal(row["v"]) == sum(Decimal(fill["sz"]) for fill in fills)
        assert row["n"] == len(fills)


def test_every_coin_has_a_candle_file_a_day_under_an_encoded_name(
    files: WorldFiles,
) -> None:
    folder = files.root / "api" / "candles"

    names = {unquote(path.name) for path in folder.iterdir()}

    assert {"BTC", "xyz:TSLA", "PURR/USDC", "@107"} <= names
    assert not [path for path in folder.iterdir() if set(path.name) & set(":/@#")]
    for path in folder.iterdir():
        days = sorted(day.name for day in (path / "1m").iterdir())
        assert days == ["20250901.json", "20250902.json"]


def test_funding_has_one_rate_an_hour_stamped_just_after_it(files: WorldFiles) -> None:
    funding = files.api("funding")

    assert not any(is_spot(coin) for coin in funding)
    assert {"BTC", "xyz:TSLA"} <= funding.keys()
    for rows in funding.values():
        assert [row["time"] // HOUR_MS for row in rows] == [
            TINY.start_ms // HOUR_MS + hour for hour in range(TINY.day_count * 24)
        ]
        assert all(row["time"] % HOUR_MS < 1_000 for row in rows)


def test_rates_follow_from_premiums(files: WorldFiles) -> None:
    limit = Decimal("0.0005")
    rates = set()
    for rows in files.api("funding").values():
        for row in rows:
            premium, rate = Decimal(row["premium"]), Decimal(row["fundingRate"])
            interest = max(-limit, min(limit, Decimal("0.0001") - premium))
            assert abs((premium + interest) / 8 - rate) <= Decimal("0.0000000001")
            rates.add(rate)

    assert Decimal("0.0000125") in rates
    assert min(rates) < 0


def test_funding_files_hold_their_own_day(files: WorldFiles) -> None:
    for path in (files.root / "api" / "funding").rglob("*.json"):
        rows = files.json(path.relative_to(files.root).as_posix())
        first_day_ms = TINY.start_ms + DAY_MS * (path.stem == "20250902")
        assert {row["time"] // DAY_MS for row in rows} == {first_day_ms // DAY_MS}
