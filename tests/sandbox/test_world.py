"""Same spec, same bytes; the marker says when a world is whole."""

import hashlib
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

import vigil_sandbox
from vigil_sandbox.world import TINY, NotASandbox, World, world_is_written, write_world

from .oracle import WorldFiles

ROOT = Path(vigil_sandbox.__file__).parents[1]
WRITE = "import sys; from pathlib import Path; from vigil_sandbox.world import TINY, write_world; "
WRITE += "write_world(TINY, Path(sys.argv[1]))"


def digests(root: Path) -> dict[str, str]:
    return {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


@pytest.mark.parametrize("hash_seed", ["1", "4711"])
def test_another_process_with_another_hash_seed_writes_the_same_bytes(
    tiny: World, empty: Path, hash_seed: str
) -> None:
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(ROOT)}

    subprocess.run([sys.executable, "-c", WRITE, str(empty)], env=environment, check=True)

    assert digests(empty) == digests(tiny.root)


def test_another_seed_gives_another_world(tiny: World, empty: Path) -> None:
    write_world(replace(TINY, seed=8), empty)

    # Those of accounts are named for them.
    names = [
        {name for name in digests(root) if "user_funding/" not in name}
        for root in (empty, tiny.root)
    ]
    assert names[0] == names[1]
    assert digests(empty) != digests(tiny.root)


def test_a_world_is_written_only_for_its_own_spec(tiny: World) -> None:
    assert world_is_written(TINY, tiny.root)
    assert not world_is_written(replace(TINY, seed=8), tiny.root)
    assert not world_is_written(TINY, tiny.root / "elsewhere")


def test_the_marker_says_simulated_and_which_seed(tiny: World) -> None:
    marker = json.loads((tiny.root / "sandbox.json").read_text())

    assert marker["simulated"] is True
    assert marker["seed"] == TINY.seed
    assert marker["spec"]["first_day"] == "2025-09-01"


def test_an_interrupted_world_has_no_marker_and_can_be_written_again(
    tiny: World, empty: Path
) -> None:
    def stop(line: str) -> None:
        raise InterruptedError(line)

    write_world(TINY, empty)
    with pytest.raises(InterruptedError):
        write_world(TINY, empty, report=stop)
    assert not world_is_written(TINY, empty)

    write_world(TINY, empty)

    assert digests(empty) == digests(tiny.root)


def test_no_file_is_younger_than_the_marker(tiny: World) -> None:
    ages = {path: path.stat().st_mtime_ns for path in tiny.root.rglob("*") if path.is_file()}

    assert ages[tiny.root / "sandbox.json"] == max(ages.values())


def test_foreign_data_is_never_removed(empty: Path) -> None:
    real = empty / "node_fills_by_block" / "hourly" / "20260101" / "0.lz4"
    real.parent.mkdir(parents=True)
    real.write_bytes(b"precious")

    with pytest.raises(NotASandbox, match="node_fills_by_block"):
        write_world(TINY, empty)

    assert real.read_bytes() == b"precious"


def test_the_summary_counts_what_is_in_the_files(tiny: World, files: WorldFiles) -> None:
    assert tiny.fill_count == len(files.fills) == files.truth["totals"]["fills"]
    assert tiny.trade_count == len(files.trades)
    assert tiny.trader_count == len({fill.trader for fill in files.fills})
    assert tiny.coin_count == len({fill["coin"] for fill in files.fills})
    assert 1_500 <= tiny.fill_count <= 3_000


def test_simulated_addresses_can_be_told_from_real_ones(files: WorldFiles) -> None:
    addresses = {fill.trader for fill in files.fills} | set(files.truth["accounts"])
    addresses |= {fill["builder"] for fill in files.fills if "builder" in fill.row}

    assert {a for a in addresses if not a.startswith("0x51b0")} == {"0x" + "e" * 40}
    assert all(len(a) == 42 and a == a.lower() for a in addresses)


@pytest.mark.parametrize("seed", [1, 14, 2025])
def test_every_kind_of_event_occurs_whatever_the_seed(empty: Path, seed: int) -> None:
    write_world(replace(TINY, seed=seed), empty)
    files = WorldFiles(empty)

    directions = {fill["dir"] for fill in files.fills}
    methods = {fill["liquidation"]["method"] for fill in files.fills if "liquidation" in fill.row}

    assert directions >= {
        "Open Long", "Open Short", "Close Long", "Close Short", "Long > Short", "Short > Long",
        "Buy", "Sell", "Spot Dust Conversion", "Auto-Deleveraging", "Liquidated Cross Long",
    }  # fmt: skip
    assert methods == {"market", "backstop"}
    assert any(fill["twapId"] for fill in files.fills)
    assert any("builder" in fill.row and "builderFee" not in fill.row for fill in files.fills)
    assert len({fill["coin"] for fill in files.fills}) == 27
    assert files.truth["totals"]["equity_residual"] == "0.0"
