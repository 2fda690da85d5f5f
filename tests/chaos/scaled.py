"""Campaigns at a small size, with a seed that stands in the test."""

from pathlib import Path

from chaos.campaigns import Shared, chosen, run


def met(folder: Path, seed: int, **scales: float) -> None:
    """Run these campaigns, `name_of_it=scale`, and fail with what was seen."""
    folder.chmod(0o755)
    with Shared(folder) as shared:
        for name, scale in scales.items():
            (campaign,) = chosen([name.replace("_", "-")])
            outcome = run(campaign, shared, seed, scale).outcome
            seen = "\n".join(outcome.misses[:20])
            assert outcome.passed, f"{campaign.name} seed {seed}: {outcome.figure}\n{seen}"
