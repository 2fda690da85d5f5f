"""Our answers against our own description, over requests that schemathesis makes up."""

import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from chaos.api_writes import served_world
from chaos.campaigns import Campaign, Context, Outcome
from vigil_resources.settings import PROJECT_ROOT

TOKEN = "a-token-of-the-campaign"  # nosec B105 # of a server that lives for a minute
FULL = 10_000


def generated(url: str, folder: Path, *words: str) -> tuple[int, bool, str]:
    """Send what schemathesis makes up, all its checks on.

    Gives the number of requests, whether each was answered as described, and what was said.
    """
    program = Path(sys.executable).with_name("schemathesis")
    command = [
        *(str(program), "--config-file", str(PROJECT_ROOT / "schemathesis.toml")),
        *("run", f"{url}/openapi.json", "-H", f"Authorization: Bearer {TOKEN}"),
        *("--checks", "all", "--continue-on-failure", "--no-color", "--workers", "2"),
        *("--suppress-health-check", "all", "--warnings", "off", *words),
    ]
    ended = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    said = ended.stdout + ended.stderr
    count = re.search(r"(\d+) generated", said)
    return int(count[1]) if count else 0, ended.returncode == 0, said


def generate(context: Context) -> Outcome:
    """Valid and malformed requests, alone and one after the other."""
    seed = str(context.random.randrange(2**31))
    each, chains = str(context.count(240, 5)), str(context.count(20, 1))
    with served_world(context, VIGIL_API_TOKEN=TOKEN) as (_, client):
        url = f"http://127.0.0.1:{client.port}"
        phases = "coverage,fuzzing" if context.scale >= 1 else "fuzzing"
        asked = (("--phases", phases, "-n", each), ("--phases", "stateful", "-n", chains))
        # To make a request up takes longer than to answer it: each kind has a core of its own.
        with ThreadPoolExecutor(2) as pool:
            alone, chained = pool.map(
                lambda words: generated(url, context.folder, *words, "--seed", seed), asked
            )
        log = (context.folder / "api.out").read_text()
    misses = [said[-6000:] for _, is_well, said in (alone, chained) if not is_well]
    if "Traceback" in log:
        misses.append(f"a trace on the terminal: {log[-1500:]}")
    total = alone[0] + chained[0]
    if context.scale >= 1 and total < FULL:
        misses.append(f"{total} requests only")
    figure = f"{total:,} requests: {len(misses)} runs with a 5xx or a failure of the description"
    counts = {"requests alone": alone[0], "requests in chains": chained[0]}
    return Outcome(not misses, figure, counts, tuple(misses))


CAMPAIGNS = (
    Campaign(
        16,
        "api-requests",
        "Answers are as the description says",
        "10,000 generated requests, half of them malformed, all checks of schemathesis",
        "no 5xx, no failure of the description",
        generate,
    ),
)
