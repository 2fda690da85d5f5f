"""A backtest from a file, run in this process; the figures are printed."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vigil_cli.ready import database_ready
from vigil_core.errors import InvalidBacktest
from vigil_resources.settings import Settings
from vigil_resources.wiring import open_backtests

_LINE = "{:<28}{:>20}"


def backtest(settings: Settings, file: Path) -> int:
    """Enter the request, run it if it is new, and print what came out; 1 if it failed."""
    request = _read(file)
    with database_ready(settings):
        client = open_backtests(settings)
        number = client.submit(request, "command line")
        client.run_queued([number], report=_progress)
        found = client.get(number)
    print(f"backtest {number}: {found.status}")
    if found.result is None:
        print(f"vigil: {found.error or 'another worker is running it'}", file=sys.stderr)
        return 1
    _show(json.loads(found.result))
    print(f"sha256 {found.result_sha256}")
    return 0


def _read(file: Path) -> Mapping[str, Any]:
    try:
        text = sys.stdin.read() if str(file) == "-" else file.read_text("utf-8")
        request = json.loads(text)
    except (OSError, ValueError) as error:
        raise InvalidBacktest(str(file), f"cannot be read as JSON: {error}") from error
    if not isinstance(request, dict):
        raise InvalidBacktest(str(file), "expected a JSON object")
    return request


def _progress(_: int, fraction: float, line: str) -> None:
    print(f"[{'#' * round(24 * fraction):.<24}] {line}", file=sys.stderr, flush=True)


def _show(result: Mapping[str, Any]) -> None:
    if result["is_simulated"]:
        print("over SIMULATED days (vigil_sandbox), not the exchange's")
    print(_LINE.format("final value", f"{float(result['final_value_usd']):,.2f} USD"))
    for name, label in (
        ("roi", "return"), ("btc_roi", "holding BTC"), ("max_drawdown", "deepest drawdown"),
        ("win_rate", "win rate"),
    ):  # fmt: skip
        value = result[name]
        print(_LINE.format(label, "not defined" if value is None else f"{value:.2%}"))
    sharpe = result["sharpe_ratio"]
    text = f"{sharpe:.2f}" if sharpe is not None else str(result["sharpe_ratio_reason"])
    print(_LINE.format("Sharpe ratio", text))
    print(_LINE.format("trades (still open)", f"{result['trade_count']} ({result['open_count']})"))
    for name, usd in result["costs"].items():
        print(_LINE.format(name, f"{float(usd):,.2f}"))
    for code, count in sorted(result["rejected"].items()):
        print(_LINE.format(f"rejected: {code}", count))
    for trader in result["traders"]:
        if trader.get("bridge"):
            print(f"\nfrom {trader['trader']}'s result to ours, USD")
            for step in trader["bridge"]:
                print(_LINE.format(step["step"], f"{float(step['usd']):,.2f}"))
