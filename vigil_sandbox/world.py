"""Ready-made worlds, and how one is written to disk."""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

from vigil_sandbox.market_writer import write_json
from vigil_sandbox.simulation import Simulation
from vigil_sandbox.spec import FORMAT_VERSION, WorldSpec
from vigil_sandbox.traders import PlantedTrader
from vigil_sandbox.truth import truth

__all__ = [
    "DEMO",
    "FLOW_NOISE",
    "FLOW_SIGNAL",
    "RHYTHMS",
    "TINY",
    "NotASandbox",
    "World",
    "WorldSpec",
    "world_is_written",
    "write_world",
]

MARKER = "sandbox.json"
_STARTED = "sandbox.started"
_OWN_FOLDERS = ("node_fills_by_block", "artemis", "api")
_TRUTH = "truth.json"

DEMO = WorldSpec(
    seed=51,
    first_day=date(2025, 9, 1),
    day_count=7,
    crowd_count=330,
    crowd_orders_per_day=5_600,
    market_maker_count=6,
    planted_each=3,
    directional_notional_usd=550_000,
    orders_per_session=8,
    twap_notional_usd=250_000,
    twap_slice_count=90,
    copy_orders_per_day=24,
)
"""A week that a person can look around in."""

TINY = WorldSpec(
    seed=7,
    first_day=date(2025, 9, 1),
    day_count=2,
    crowd_count=30,
    crowd_orders_per_day=175,
    market_maker_count=2,
    planted_each=2,
    directional_notional_usd=4_000_000,
    orders_per_session=3,
    twap_notional_usd=60_000,
    twap_slice_count=15,
    copy_orders_per_day=6,
)
"""Two days with every behaviour and every kind of event, for tests."""

FLOW_SIGNAL = WorldSpec(
    seed=29,
    first_day=date(2025, 9, 1),
    day_count=8,
    crowd_count=30,
    crowd_orders_per_day=400,
    market_maker_count=2,
    # Skill is to know drifts, which this world does not have.
    planted_each=0,
    directional_notional_usd=0,
    orders_per_session=0,
    twap_notional_usd=0,
    twap_slice_count=0,
    copy_orders_per_day=0,
    flow_insight=0.5,
)
"""Eight days in which BTC's and ETH's taker flow foretells the next half hour."""

FLOW_NOISE = replace(FLOW_SIGNAL, flow_insight=0.0)
"""The same prices, sizes and moments; the directions are drawn."""

RHYTHMS = replace(
    TINY,
    seed=83,
    day_count=9,
    crowd_orders_per_day=20,
    planted_each=0,
    rhythms_each=2,
)
"""Nine days of traders who are known by how long they hold."""


class NotASandbox(Exception):
    """The target folder holds market data that no world was written to; nothing was touched."""

    def __init__(self, root: Path, found: str) -> None:
        self.root = root
        super().__init__(f"expected an empty folder or an older world at {root}, found {found}")


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What was written."""

    spec: WorldSpec
    root: Path
    fill_count: int
    """Legs: two per trade, one per dust conversion."""

    trade_count: int
    trader_count: int
    coin_count: int
    planted: tuple[PlantedTrader, ...]


def write_world(
    spec: WorldSpec, root: Path, *, report: Callable[[str], None] = lambda _: None
) -> World:
    """Simulate a world and write all its files below `root`, the marker last.

    An older or half-written world at the same place is removed first.

    Raises:
        NotASandbox: `root` holds data of these names that is not from a world.
    """
    _clear(root)
    simulation = Simulation(spec, root)
    simulation.run(report)
    write_json(root / _TRUTH, truth(simulation))
    marker = {
        "simulated": True,
        "seed": spec.seed,
        "spec": spec.as_json(),
        "format_version": FORMAT_VERSION,
        "sha256": spec.fingerprint(),
    }
    # Artemis' copies are a root of their own.
    write_json(root / "artemis" / "raw" / MARKER, marker)
    write_json(root / MARKER, marker)
    (root / _STARTED).unlink()
    report(f"{simulation.fill_count} fills of {len(simulation.traders)} traders")
    return World(
        spec=spec,
        root=root,
        fill_count=simulation.fill_count,
        trade_count=simulation.trade_count,
        trader_count=len(simulation.traders),
        coin_count=len(simulation.coins),
        planted=tuple(simulation.population.planted),
    )


def world_is_written(spec: WorldSpec, root: Path) -> bool:
    """Whether `root` holds exactly this world, complete."""
    try:
        marker = json.loads((root / MARKER).read_text(encoding="utf-8"))
    except (FileNotFoundError, json.JSONDecodeError):
        return False
    return bool(isinstance(marker, dict) and marker.get("sha256") == spec.fingerprint())


def _clear(root: Path) -> None:
    """Make room, but never by deleting data that could be real."""
    is_ours = (root / MARKER).exists() or (root / _STARTED).exists()
    for name in (*_OWN_FOLDERS, _TRUTH):
        if (root / name).exists() and not is_ours:
            raise NotASandbox(root, name)
    root.mkdir(parents=True, exist_ok=True)
    (root / _STARTED).touch()
    (root / MARKER).unlink(missing_ok=True)
    (root / _TRUTH).unlink(missing_ok=True)
    for name in _OWN_FOLDERS:
        if (root / name).exists():
            shutil.rmtree(root / name)
