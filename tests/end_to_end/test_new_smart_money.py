"""The recipe on a simulated world: who is new, who is not, and of whom nobody can tell."""

import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from tests.conftest import Installation, installed
from tests.resources.loading import load_day, take_in
from tests.resources.test_lambda_egress import KEY, REGION, SECRET, Aws, instance, serving
from vigil_cli.__main__ import main
from vigil_cli.backfill import backfill
from vigil_core.calendar import day_start_ms, days_between
from vigil_resources.database.warehouse import DERIVED
from vigil_resources.exchange.api import ExchangeApi
from vigil_resources.exchange.budget import WeightBudget
from vigil_resources.metrics.new_smart_money import (
    AddressesFailed,
    AlreadyRunning,
    NewSmartMoney,
    Progress,
)
from vigil_resources.settings import PROJECT_ROOT, Settings
from vigil_sandbox.info_server import Answers, Fault, InfoServer, Manners, WireRow
from vigil_sandbox.world import TINY, write_world

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

SPEC = replace(TINY, day_count=14, planted_each=3)
LAST = SPEC.first_day + timedelta(days=SPEC.day_count - 1)
BEFORE_MS, AFTER_MS = day_start_ms(date(2025, 7, 10)), day_start_ms(date(2025, 8, 15))
FIELDS = [
    "user_address",
    "is_new",
    "first_fill",
    "last_fill",
    "api_closed_pnl",
    "db_net_pnl",
    "sharpe_ratio",
    "trader_type",
    "fills_seen",
    "history_complete",
]


@dataclass(frozen=True)
class Ended:
    returncode: int
    out: io.StringIO
    err: io.StringIO

    @property
    def stdout(self) -> str:
        return self.out.getvalue()

    @property
    def stderr(self) -> str:
        return self.err.getvalue()


@dataclass(frozen=True)
class Smart:
    """A world whose smart money is old, cut off, or new; by address."""

    vigil: Installation
    server: InfoServer
    old: str
    cut_off: str
    new: list[str]
    unwatched: str
    """SMART_DIRECTIONAL, and new, but not on the watchlist."""

    @property
    def watched(self) -> list[str]:
        return sorted([self.old, self.cut_off, *self.new])

    def run(self, *arguments: str) -> Ended:
        """The recipe, in this process: to start one takes longer than the work."""
        out, err = io.StringIO(), io.StringIO()
        words = ["vigil", "find-new-smart-money", *arguments]
        with (
            redirect_stdout(out),
            redirect_stderr(err),
            pytest.MonkeyPatch.context() as patch,
        ):
            patch.setattr(sys, "argv", words)
            return Ended(main(), out, err)

    @property
    def path(self) -> Path:
        [found] = self.vigil.settings.data_dir.glob("new_smart_money_*.jsonl")
        return found

    def rows(self) -> dict[str, dict[str, Any]]:
        lines = self.path.read_text().splitlines()
        return {row["user_address"]: row for row in map(json.loads, lines)}


def fill(time_ms: int, start: str, side: str, direction: str) -> WireRow:
    return {
        "coin": "BTC",
        "px": "100.0",
        "sz": "2.0",
        "side": side,
        "time": time_ms,
        "startPosition": start,
        "dir": direction,
        "closedPnl": "0.25",
        "hash": "0x" + "0" * 64,
        "oid": time_ms % 1_000_000 + int(float(start)),
        "crossed": True,
        "fee": "0.01",
        "tid": 1,
        "feeToken": "USDC",
        "twapId": None,
    }


ROUND_TRIP = [
    fill(BEFORE_MS, "0.0", "B", "Open Long"),
    fill(BEFORE_MS + 1, "2.0", "A", "Close Long"),
]
"""Of an old hand, long before the world begins."""

LAST_HALF = [fill(AFTER_MS, "2.0", "A", "Close Long")]
"""What is left where the API forgot how a position came to be."""


@pytest.fixture(scope="module")
def smart(
    tmp_path_factory: pytest.TempPathFactory, module_patch: pytest.MonkeyPatch
) -> Iterator[Smart]:
    folder = tmp_path_factory.mktemp("newcomers")
    write_world(SPEC, folder / "raw")
    answers = Answers.of_world(folder / "raw")
    with (
        InfoServer(answers, Manners(weight_per_window=10_000)) as server,
        installed(folder, folder / "raw", module_patch) as vigil,
    ):
        module_patch.setenv("HYPERLIQUID_API_URL", server.url)
        for day in days_between(SPEC.first_day, LAST):
            take_in(vigil, day)
            load_day(vigil, day)
            for relation in DERIVED:
                vigil.warehouse.build_day(relation, day)
        vigil.warehouse.publish_profiles()
        statement = "SELECT user_address FROM smart_money_watchlist ORDER BY user_address"
        found = [row["user_address"] for row in vigil.records(statement)]
        old, cut_off, unwatched, *new = found
        with vigil.warehouse.connect() as connection:
            connection.execute(
                "UPDATE trader_profiles SET trading_days = 13 WHERE user_address = %s", [unwatched]
            )
        fills = dict(answers.fills)
        fills[old] = [*ROUND_TRIP, *fills[old]]
        fills[cut_off] = [*LAST_HALF, *fills[cut_off]]
        server.answers = replace(answers, fills=fills)
        # With the address of the API, which was not known before.
        asking = Installation(Settings.from_environment())
        yield Smart(asking, server, old, cut_off, new, unwatched)


@pytest.fixture(autouse=True)
def afresh(smart: Smart) -> None:
    folder = smart.vigil.settings.data_dir
    for path in [*folder.glob("new_smart_money_*"), *folder.glob("lambda_*.jsonl")]:
        path.unlink()
    # A minute of the exchange's holds fewer runs than tests have.
    shutil.rmtree(folder / "exchange_budget", ignore_errors=True)
    smart.server.spoil(0, 0, [])
    smart.server.forget()


def test_watchlist_is_told_apart(smart: Smart) -> None:
    done = smart.run()
    assert done.returncode == 0, done.stderr
    assert smart.path.name == f"new_smart_money_{datetime.now(UTC):%Y%m%d}.jsonl"
    rows = smart.rows()
    assert list(rows) == smart.watched
    assert {address: row["is_new"] for address, row in rows.items()} == {
        smart.old: False,
        smart.cut_off: None,
        **dict.fromkeys(smart.new, True),
    }
    assert {address: row["history_complete"] for address, row in rows.items()} == {
        smart.old: True,
        smart.cut_off: False,
        **dict.fromkeys(smart.new, True),
    }
    assert (rows[smart.old]["first_fill"], rows[smart.cut_off]["first_fill"]) == (
        BEFORE_MS,
        AFTER_MS,
    )
    assert f"{len(smart.new)} new, 1 not, 1 unknown" in done.stdout
    assert f"{len(rows)}/{len(rows)} addresses" in done.stderr


def test_row_is_what_the_contract_says(smart: Smart) -> None:
    assert smart.run().returncode == 0
    [address, *_] = smart.new
    profiles = smart.vigil.records(
        f"SELECT * FROM trader_profiles WHERE user_address = '{address}'"
    )
    profile = profiles[0]
    row = smart.rows()[address]
    assert list(row) == FIELDS
    fills = smart.server.answers.fills[address]
    assert row["fills_seen"] == len(fills) == profile["total_fills"]
    assert Decimal(row["api_closed_pnl"]) == sum(Decimal(one["closedPnl"]) for one in fills)
    assert Decimal(row["api_closed_pnl"]) == profile["realized_pnl"]
    assert Decimal(row["db_net_pnl"]) == profile["net_pnl"]
    assert isinstance(row["api_closed_pnl"], str)
    assert row["sharpe_ratio"] == float(profile["sharpe_ratio"])
    assert row["trader_type"] == "SMART_DIRECTIONAL"
    times = (profile["first_trade_time"], profile["last_trade_time"])
    assert (row["first_fill"], row["last_fill"]) == times


def test_all_and_cutoff(smart: Smart) -> None:
    assert smart.run("--all", "--cutoff", "2025-09-02", "-w", "2").returncode == 0
    rows = smart.rows()
    assert list(rows) == sorted([*smart.watched, smart.unwatched])
    # Whatever came before it: a fill before the cutoff settles it.
    assert {row["is_new"] for row in rows.values()} == {False}
    assert not rows[smart.cut_off]["history_complete"]
    # The same answers, judged by another day; nobody is asked again.
    asked = smart.server.requests
    assert smart.run("--all", "--cutoff", "2025-08-01").returncode == 0
    assert smart.server.requests == asked
    assert smart.rows()[smart.unwatched]["is_new"] is True


def test_killed_and_run_again_gives_the_same_file(smart: Smart) -> None:
    assert smart.run("-w", "1").returncode == 0
    whole = smart.path.read_bytes()
    asked = smart.server.requests
    smart.path.unlink()
    smart.server.forget()
    # Killed with the second address under way.
    per_address = asked // len(smart.watched)
    command = [sys.executable, "-m", "vigil_cli", "find-new-smart-money", "-w", "1"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=PROJECT_ROOT) as process:
        assert process.stderr is not None
        line = process.stderr.readline()
        assert f"1/{len(smart.watched)} addresses" in line, line
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    assert not list(smart.vigil.settings.data_dir.glob("new_smart_money_*.jsonl"))
    shutil.rmtree(smart.vigil.settings.data_dir / "exchange_budget")
    before = smart.server.requests
    assert smart.run().returncode == 0
    assert smart.path.read_bytes() == whole
    assert smart.server.requests - before <= asked - per_address
    assert not list(smart.vigil.settings.data_dir.glob("*.unfinished"))
    # And what is whole is not asked for again.
    before = smart.server.requests
    assert smart.run().returncode == 0
    assert (smart.path.read_bytes(), smart.server.requests) == (whole, before)


def test_what_fails_for_a_while_is_asked_again(smart: Smart) -> None:
    smart.server.spoil(0.3, 5, [Fault.RESET, Fault.SERVER_ERROR, Fault.TRUNCATED, Fault.NULL])
    done = smart.run()
    assert done.returncode == 0, done.stderr
    assert list(smart.rows()) == smart.watched
    assert any(asked.fault for asked in smart.server.asked)


def test_what_fails_for_good_is_listed_and_the_rest_is_kept(smart: Smart) -> None:
    fills = smart.server.answers.fills
    [broken, *_] = smart.new
    malformed = [{**row, "closedPnl": "much"} for row in fills[broken]]
    smart.server.answers.fills = {**fills, broken: malformed}
    try:
        done = smart.run()
    finally:
        smart.server.answers.fills = fills
    assert done.returncode == 1
    assert f"1 addresses are not in {smart.path.name}" in done.stderr
    assert f"{broken}: the answer" in done.stderr
    assert list(smart.rows()) == sorted(set(smart.watched) - {broken})
    assert smart.run().returncode == 0
    assert list(smart.rows()) == smart.watched


def test_assets_do_the_same_and_report(smart: Smart) -> None:
    select = "key:smart_money_watchlist or key:new_smart_money"
    assert backfill(smart.vigil.settings, SPEC.first_day, LAST, select=select) == SPEC.day_count
    rows = smart.rows()
    assert list(rows) == smart.watched
    with dg.DagsterInstance.get() as instance:
        [listed, found] = [
            instance.get_latest_materialization_event(dg.AssetKey(name))
            for name in ("smart_money_watchlist", "new_smart_money")
        ]
    assert listed is not None
    assert found is not None
    seen = listed.asset_materialization.metadata  # type: ignore[union-attr]
    assert seen["traders"].value == len(smart.watched)
    assert smart.old in str(seen["watchlist"].value)
    seen = found.asset_materialization.metadata  # type: ignore[union-attr]
    metadata = {name: seen[name].value for name in ("new", "not_new", "unknown", "file")}
    assert metadata == {"new": len(smart.new), "not_new": 1, "unknown": 1, "file": smart.path.name}
    # Nothing is stale until a day comes, or the watchlist grows.
    assert backfill(smart.vigil.settings, SPEC.first_day, LAST, select=select) == 0


def test_exchange_is_not_asked_about_simulated_traders(
    smart: Smart, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HYPERLIQUID_API_URL")
    done = smart.run()
    assert done.returncode == 1
    assert "the info API that belongs to the fills" in done.stderr


@pytest.fixture
def aws(smart: Smart, monkeypatch: pytest.MonkeyPatch) -> Iterator[Aws]:
    """The user's account, with the function in it."""
    with serving(lambda _, __: (200, {}, b"203.0.113.7")) as check_url:
        aws = Aws([instance("203.0.113.7", check_url)])
        with serving(aws.answer) as url:
            monkeypatch.setenv("AWS_ENDPOINT_URL", url)
            monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
            monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
            monkeypatch.setenv("AWS_REGION", REGION)
            monkeypatch.setenv("VIGIL_INFO_URL", f"{smart.server.url}/info")
            yield aws


def test_own_function_finds_the_same(smart: Smart, aws: Aws) -> None:
    assert smart.run().returncode == 0
    direct = smart.path.read_bytes()
    smart.path.unlink()
    smart.server.forget()
    done = smart.run("--lambda")
    assert done.returncode == 0, done.stderr
    assert smart.path.read_bytes() == direct
    [log] = smart.vigil.settings.data_dir.glob("lambda_*.jsonl")
    assert re.fullmatch(r"lambda_\d{8}_\d{6}\.jsonl", log.name)
    lines = [json.loads(text) for text in log.read_text().splitlines()]
    assert len(lines) == aws.calls == smart.server.requests + 1
    assert {line["egress_address"] for line in lines} == {"203.0.113.7"}
    assert sum(line["weight"] for line in lines) == smart.server.weight
    assert SECRET not in log.read_text() + done.stdout + done.stderr


def test_own_function_is_tried(
    smart: Smart, aws: Aws, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    smart.server.answers.meta = {"": {"universe": []}}
    monkeypatch.setattr(sys, "argv", ["vigil", "lambda-test"])
    assert main() == 0
    assert "asks from 203.0.113.7: the exchange has 0 perps" in capsys.readouterr().out
    aws.instances[0].handler = open_to_all  # type: ignore[attr-defined]
    assert main() == 1
    assert "did not refuse https://example.com/info" in capsys.readouterr().err


def open_to_all(event: dict[str, str], _: object) -> dict[str, object]:
    """A function that asks whomever it is told to."""
    reply = {"status": 200, "body": '{"universe":[]}'} if event["action"] == "post" else {}
    return {"egress_address": "203.0.113.7", **reply}


def finder(smart: Smart, server: InfoServer, folder: Path, **budget: Any) -> NewSmartMoney:
    paid = WeightBudget(folder / "budget", **budget)
    return NewSmartMoney(smart.vigil.warehouse, ExchangeApi(server.url, paid), folder)


def test_workers_share_one_budget(smart: Smart, tmp_path: Path) -> None:
    manners = Manners(weight_per_window=300, window_s=1.0)
    with InfoServer(smart.server.answers, manners) as server:
        result = finder(smart, server, tmp_path, per_minute=300, window_s=1.0).find(
            everyone=True, workers=5
        )
        assert (result.asked, server.refused) == (len(smart.watched) + 1, 0)
        # More than a window holds was asked, by several at once.
        assert server.peak_weight <= 300 < server.weight


def test_silent_exchange_is_given_up(smart: Smart, tmp_path: Path) -> None:
    with InfoServer(smart.server.answers) as server:
        server.spoil(1.0, 0, [Fault.NULL_ERROR])
        api = ExchangeApi(server.url, WeightBudget(tmp_path / "budget"), patience_s=0.1)
        newcomers = NewSmartMoney(smart.vigil.warehouse, api, tmp_path)
        with pytest.raises(AddressesFailed) as raised:
            newcomers.find(workers=1)
        assert server.requests == 3
    failed = dict(raised.value.failed)
    assert sorted(failed) == smart.watched
    assert sum("not asked for" in reason for reason in failed.values()) == len(failed) - 3


def test_one_process_at_a_time(smart: Smart, tmp_path: Path) -> None:
    with InfoServer(smart.server.answers) as server:
        newcomers = finder(smart, server, tmp_path)

        def again(_: Progress) -> None:
            with pytest.raises(AlreadyRunning):
                newcomers.find()

        assert newcomers.find(report=again).asked == len(smart.watched)


def test_line_that_was_cut_off_is_asked_for_again(smart: Smart, tmp_path: Path) -> None:
    with InfoServer(smart.server.answers) as server:
        newcomers = finder(smart, server, tmp_path)
        whole = newcomers.find().path
        content = whole.read_text()
        first, second, *_ = content.splitlines()
        whole.with_name(f"{whole.name}.unfinished").write_text(f"{first}\n{second[:50]}")
        whole.unlink()
        assert newcomers.find().asked == len(smart.watched) - 1
        assert whole.read_text() == content
