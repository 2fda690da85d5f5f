"""Candles of the exchange beside those of our fills: compared, and used where fills are missing."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Installation, installed
from vigil_cli.backfill import backfill
from vigil_core.calendar import DAY_MS, HOUR_MS, day_start_ms
from vigil_resources.artemis.fills_of_day import LakeFills
from vigil_resources.artemis.market_history import MarketHistory
from vigil_resources.database.day_tables import DayTables
from vigil_resources.database.embedded_postgres import free_port
from vigil_resources.exchange.api import ExchangeApi
from vigil_resources.exchange.budget import WeightBudget
from vigil_resources.exchange.cache import ExchangeCache
from vigil_sandbox.info_server import Answers, InfoServer
from vigil_sandbox.world import TINY, write_world

pytestmark = pytest.mark.slow

FIRST = TINY.first_day
LAST = FIRST + timedelta(days=TINY.day_count - 1)
SELECT = "key:raw_fills or key:fills_parquet"
START = day_start_ms(LAST)

CANDLES = (
    "SELECT open_time, open, high, low, close, volume, trades, source FROM candles "
    "WHERE coin = 'BTC' AND interval = '1m' AND day = {} ORDER BY open_time"
)


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InfoServer]:
    raw = tmp_path_factory.mktemp("world")
    write_world(TINY, raw)
    with InfoServer(Answers.of_world(raw)) as server:
        yield server


@dataclass
class Cut:
    """A Vigil of a world that lacks an object of the last day."""

    vigil: Installation
    path: Path
    content: bytes
    hour: int

    def candles(self, day: date) -> list[dict[str, Any]]:
        return self.vigil.records(CANDLES.format(day_start_ms(day)))


@pytest.fixture(scope="module")
def world(
    tmp_path_factory: pytest.TempPathFactory,
    module_patch: pytest.MonkeyPatch,
    api: InfoServer,
) -> Iterator[Cut]:
    folder = tmp_path_factory.mktemp("vigil")
    write_world(TINY, folder / "raw")
    traded = Counter((row["t"] - START) // HOUR_MS for row in api.answers.candles["BTC", "1m"])
    [(hour, _)] = Counter({h: n for h, n in traded.items() if 0 < h < 23}).most_common(1)
    path = folder / f"raw/node_fills_by_block/hourly/{LAST:%Y%m%d}/{hour}.lz4"
    content = path.read_bytes()
    path.unlink()
    with installed(folder, folder / "raw", module_patch) as vigil:
        backfill(vigil.settings, FIRST, LAST, select=SELECT)
        yield Cut(vigil, path, content, hour)


def history(world: Cut, url: str, folder: Path, now_ms: int) -> MarketHistory:
    api = ExchangeApi(url, WeightBudget(folder / "budget"), patience_s=0.5)
    cache = ExchangeCache(api, world.vigil.lake.store, lambda: now_ms)
    fills, tables = LakeFills(world.vigil.lake), DayTables(world.vigil.warehouse)
    return MarketHistory(fills, tables, cache, ("BTC",))


def test_whole_days_are_made_of_fills_and_agree_with_the_exchange(
    world: Cut, api: InfoServer, tmp_path: Path
) -> None:
    maker = history(world, api.url, tmp_path, START + 2 * HOUR_MS)
    maker.build(FIRST)

    assert api.requests == 0
    assert {row["source"] for row in world.candles(FIRST)} == {"fills"}
    [minutes] = [row for row in maker.compare(FIRST) if row["interval"] == "1m"]
    assert minutes["compared"] > 10
    assert (minutes["only_theirs"], minutes["different"]) == (0, {})
    assert minutes["largest_close_difference"] == 0


def test_days_out_of_reach_are_not_asked_for(world: Cut, api: InfoServer, tmp_path: Path) -> None:
    before = api.requests
    assert history(world, api.url, tmp_path, START + 18 * DAY_MS).compare(LAST) == []
    assert api.requests == before


def test_an_exchange_that_does_not_answer_leaves_the_hours_empty_and_the_day_stale(
    world: Cut, tmp_path: Path
) -> None:
    nobody = f"http://127.0.0.1:{free_port(0)}"
    maker = history(world, nobody, tmp_path, START + DAY_MS + 2 * HOUR_MS)
    maker.build(LAST)

    assert {row["source"] for row in world.candles(LAST)} == {"fills"}
    assert not maker.is_current(LAST)
    [state] = world.vigil.records(
        f"SELECT details FROM artemis_state WHERE relation = 'candles' AND day = {START}"
    )
    assert "no answer" in state["details"]["exchange"]


def test_hours_without_fills_have_the_exchange_s_candles(
    world: Cut, api: InfoServer, tmp_path: Path
) -> None:
    maker = history(world, api.url, tmp_path, START + DAY_MS + 2 * HOUR_MS)
    maker.build(LAST)

    theirs = [row for row in world.candles(LAST) if row["source"] == "api"]
    # The last rows of an hour lie in the next object, so the hour before is not covered either.
    missing = range(START + (world.hour - 1) * HOUR_MS, START + (world.hour + 1) * HOUR_MS)
    assert theirs
    assert all(row["open_time"] in missing for row in theirs)
    assert maker.is_current(LAST)

    world.path.write_bytes(world.content)
    backfill(world.vigil.settings, FIRST, LAST, select=SELECT)
    maker.build(LAST)
    ours = {row["open_time"]: row for row in world.candles(LAST)}
    for row in theirs:
        assert ours[row["open_time"]] == row | {"source": "fills"}
