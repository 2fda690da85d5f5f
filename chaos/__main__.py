"""Runs campaigns: `python -m chaos [NAME …] [--all] [--seed S]`; without a name, lists them."""

import argparse
import os
import secrets
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from chaos.campaigns import Campaign, Result, Shared, campaigns, chosen, run
from chaos.lanes import in_lanes, lanes
from chaos.results import keep, newest, results_file, table, write_table
from vigil_core.errors import VigilError
from vigil_resources.settings import PROJECT_ROOT, Settings

_MOST_SHOWN = 20


def main() -> int:
    """0 only if each campaign that was asked for met its bar."""
    arguments = _parser().parse_args()
    file = results_file(Settings.from_environment().data_dir)
    if arguments.table:
        write_table(table(campaigns(), newest(file)), PROJECT_ROOT / "docs" / "reliability.md")
        return 0
    try:
        asked = campaigns() if arguments.all else chosen(arguments.names)
    except VigilError as error:
        print(f"vigil: {error}", file=sys.stderr)
        return 2
    if not asked:
        for campaign in campaigns():
            print(f"{campaign.number:3} {campaign.name:24} {campaign.attack}")
        return 0
    seed = secrets.randbelow(2**31) if arguments.seed is None else arguments.seed
    print(f"seed {seed}: --seed {seed} repeats it", flush=True)
    paths = lanes(asked) if arguments.lanes > 1 else [asked]
    if len(paths) > 1:
        missed = in_lanes(paths, seed, arguments.scale, file)
    else:
        missed = _one_after_another(asked, seed, arguments.scale, file)
    print(f"{len(asked) - len(missed)} of {len(asked)} met their bar", flush=True)
    if missed:
        print(f"missed: {' '.join(missed)}", file=sys.stderr)
    return 1 if missed else 0


def _one_after_another(asked: Sequence[Campaign], seed: int, scale: float, file: Path) -> list[str]:
    """Names of those that missed."""
    missed = []
    with tempfile.TemporaryDirectory(prefix="vigil-chaos-") as folder:
        # The embedded server runs as another user where we are root.
        Path(folder).chmod(0o755)
        with Shared(Path(folder)) as shared:
            for campaign in asked:
                _announce(campaign)
                result = run(campaign, shared, seed, scale)
                _show(result)
                keep(result, file)
                missed += [] if result.outcome.passed else [campaign.name]
    return missed


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="vigil chaos", description="Attacks on what is promised")
    parser.add_argument("names", nargs="*", metavar="NAME", help="or number, or api-* and the like")
    parser.add_argument("--all", action="store_true", help="every campaign")
    parser.add_argument("--seed", type=int, help="of a run before; default: a new one")
    parser.add_argument("--scale", type=float, default=1.0, help="of the full size; 10: longer")
    parser.add_argument(
        "--lanes",
        type=int,
        choices=(1, 2),
        default=min(2, os.cpu_count() or 1),
        help="2: those on what callers say beside those on what is loaded; default: 2 on two cores",
    )
    parser.add_argument("--table", action="store_true", help="write docs/reliability.md's table")
    return parser


def _announce(campaign: Campaign) -> None:
    print(f"\n=== {campaign.number} {campaign.name}", flush=True)
    print(f"    promise   {campaign.promise}\n    attack    {campaign.attack}", flush=True)


def _show(result: Result) -> None:
    outcome = result.outcome
    for miss in outcome.misses[:_MOST_SHOWN]:
        print(f"    seen      {miss}")
    if len(outcome.misses) > _MOST_SHOWN:
        print(f"    seen      … and {len(outcome.misses) - _MOST_SHOWN} more")
    counts = ", ".join(f"{count:,} {kind}" for kind, count in outcome.injected.items())
    print(f"    injected  {counts}\n    bar       {result.campaign.bar}")
    verdict = "met" if outcome.passed else "MISSED"
    print(f"    reached   {outcome.figure}\n    {verdict}, {result.seconds:.1f} s", flush=True)


if __name__ == "__main__":
    sys.exit(main())
