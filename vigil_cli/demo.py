"""The main job, end to end, on a simulated week."""

import json
import os
import sys
import time
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

from vigil_cli.backfill import backfill
from vigil_cli.ready import database_ready
from vigil_cli.services import up
from vigil_cli.tables import show
from vigil_resources.database.warehouse import CLASSIFIED_BY
from vigil_resources.desk.traders import Origin, Traders, default_settings
from vigil_resources.settings import Settings
from vigil_resources.wiring import open_warehouse
from vigil_sandbox.info_server import UNHURRIED, Answers, InfoServer, settings_unhurried
from vigil_sandbox.world import DEMO, world_is_written, write_world

FOLLOWED_AFTER = 4
"""Days of the week that are known when its traders are followed."""

NOTICE = "SIMULATED DATA: vigil_sandbox made these traders; nobody on the exchange is meant."


def demo(settings: Settings, *, once: bool) -> None:
    """Make the world unless it is there, build every stage of its days, show what came out."""
    started = time.monotonic()
    root = settings.data_dir / "sandbox"
    _say(NOTICE)
    if world_is_written(DEMO, root):
        _say(f"reusing the simulated week at {root}")
    else:
        _say(f"simulating a week of trading at {root} …")
        write_world(DEMO, root, report=lambda text: _say(f"  simulated: {text}"))
    with InfoServer(Answers.of_world(root), UNHURRIED) as api:
        os.environ.update(environment_of(root, api.url))
        # The simulated week is over: nothing more will come.
        os.environ.setdefault("VIGIL_AUTOMATION", "off")
        _build(Settings.from_environment(), root, started, once=once)


def environment_of(root: Path, api: str) -> dict[str, str]:
    """Settings for the world at `root` whose API answers at `api`: nothing real beside it."""
    return {
        "VIGIL_NODE_DATA": str(root),
        "VIGIL_ARTEMIS_DATA": str(root / "artemis" / "raw"),
        **settings_unhurried(api),
        "VIGIL_VAULTS": ",".join(_vaults(root)),
        # The world has no archive of its own.
        "VIGIL_ARCHIVE_DATA": "",
    }


def _vaults(root: Path) -> list[str]:
    house: dict[str, str] = json.loads((root / "truth.json").read_text())["house"]
    return [address for address, role in house.items() if role == "backstop vault"]


def _build(settings: Settings, root: Path, started: float, *, once: bool) -> None:
    last = DEMO.first_day + timedelta(days=DEMO.day_count - 1)
    _say("building every stage from the simulated objects …")
    with database_ready(settings):
        # So that the desk has something to show: chosen by what was known, judged by the rest.
        if not open_warehouse(settings).loaded_days():
            backfill(settings, DEMO.first_day, DEMO.first_day + timedelta(days=FOLLOWED_AFTER - 1))
            _follow(settings)
        backfill(settings, DEMO.first_day, last)
        print_results(settings, root)
        print(f"\n{NOTICE}\n{time.monotonic() - started:.0f} s in all. Where to look:")
        print('  ./vigil db-query "SELECT * FROM top_traders_by_type WHERE rank <= 3"')
        print('  ./vigil db-query "SELECT * FROM recent_liquidations LIMIT 10"')
        print('  ./vigil db-query "SELECT * FROM artemis_day_results"')
        print("  ./vigil db-stats      ./vigil up (pages, API, Dagster UI)", flush=True)
        if not once:
            up(settings)


def _follow(settings: Settings) -> None:
    """Follow the best trader of each class, on paper, by settings that let most signals through."""
    warehouse = open_warehouse(settings)
    for trader_type, address in warehouse.rows("demo/best_of_each_class"):
        name = f"Best {trader_type.replace('_', ' ').lower()}"
        chosen = replace(
            default_settings(name),
            state="paper",
            min_confidence=Decimal("0.3"),
            max_leverage=Decimal(20),
            drawdown_limit=Decimal(-15),
            note="Followed by the demo, after its fourth day.",
        )
        origin = Origin(user_address=address, source="label", source_ref=CLASSIFIED_BY)
        with warehouse.connect() as connection, connection.transaction():
            traders = Traders(connection)
            trader = traders.add(origin, chosen, by="demo")
            traders.switch(trader.trader_id, True, by="demo")
        _say(f"following {address} on paper: {name}")


def print_results(settings: Settings, root: Path) -> None:
    """The classes, and what became of the traders whose truth is known."""
    warehouse = open_warehouse(settings)
    classes = warehouse.rows("profiles/classes")
    headers = ["class", "traders", "fills", "volume USD", "net PnL USD"]
    show("Traders by class, over all loaded days", headers, classes)
    found = dict(warehouse.rows("profiles/types"))
    planted = json.loads((root / "truth.json").read_text())["planted"]
    tally: dict[tuple[str, str, str], int] = {}
    for trader in planted:
        actual = found.get(trader["address"], "no fills")
        key = (trader["behaviour"], trader["expected_type"], actual)
        tally[key] = tally.get(key, 0) + 1
    rows = [(*key, count, "yes" if key[1] == key[2] else "NO") for key, count in tally.items()]
    show(
        "Planted behaviours",
        ["behaviour", "expected", "found", "traders", "as planted"],
        rows,
    )


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
