"""Lists of many traders, measured: `python -m bench pages [--traders N]`.

A database of made-up traders (pages_world.sql) on an embedded server of its own, published, and
asked for by one client and by eight at a time, over HTTP, from one worker. The bars are the
interface's: the first view below 500 ms, eight clients' p50 below 80 and p99 below 400 ms.
"""

import argparse
import multiprocessing
import random
import tempfile
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

import uvicorn

from vigil_api.app import create_app
from vigil_api.limits import Limits
from vigil_resources.database.embedded_postgres import EmbeddedPostgres, free_port
from vigil_resources.database.warehouse import Warehouse
from vigil_resources.metrics.published import PublishedTraders
from vigil_resources.settings import Settings

WORLD = Path(__file__).with_suffix("").with_name("pages_world.sql")
FIRST_DAY_MS = 1_735_689_600_000
DAYS, CLIENTS, REQUESTS = 200, 8, 60
PATHS = (
    "/traders",
    "/traders?sort=-sharpe_ratio",
    "/traders?sort=volume_usd",
    "/traders?type=HFT",
    "/traders?coin=C7",
    "/traders?q=abc",
    "/traders?publishable=1&sort=-roi_30d",
    "/traders?type=SMART_DIRECTIONAL&sort=-sharpe_ratio",
)


def main() -> None:
    """Fill, publish, ask."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--traders", type=int, default=100_000)
    traders = parser.parse_args().traders
    with tempfile.TemporaryDirectory() as folder, EmbeddedPostgres(Path(folder)).session() as here:
        here.ensure_database("pages")
        warehouse = Warehouse(here.url("pages"))
        warehouse.install()
        _fill(warehouse, traders)
        title(f"published_traders, {traders:,} traders")
        begun = time.monotonic()
        PublishedTraders(warehouse).build()
        line("build", f"{time.monotonic() - begun:.1f} s")
        _ask(here.url("pages"))


def _fill(warehouse: Warehouse, traders: int) -> None:
    values = {"traders": traders, "days": DAYS, "first": FIRST_DAY_MS}
    with warehouse.connect() as connection:
        connection.execute("SELECT setseed(0.5)")
        for statement in WORLD.read_text().split("\n\n")[1:]:
            connection.execute(statement, values)
    with warehouse.connect(autocommit=True) as connection:
        connection.execute("ANALYZE")


def _serve(database_url: str, port: int) -> None:
    settings = Settings.from_environment({"DATABASE_URL": database_url})
    app = create_app(settings, Limits(local_rate=1e9, rate=1e9))
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="error")


def _ask(database_url: str) -> None:
    port = free_port(0)
    base = f"http://127.0.0.1:{port}"
    # A process of its own: clients in the server's would be counted as its work.
    server = multiprocessing.get_context("fork").Process(target=_serve, args=(database_url, port))
    server.start()
    while not _answers(f"{base}/healthz"):
        time.sleep(0.05)
    title("one client: first and then")
    for path in PATHS:
        times = [_seconds(base + path) for _ in range(6)]
        line(path, f"{times[0] * 1000:.0f} ms, {min(times[1:]) * 1000:.0f} ms")
    title(f"{CLIENTS} clients at a time")
    times = []

    def client(seed: int) -> None:
        rng = random.Random(seed)
        times.extend(_seconds(base + rng.choice(PATHS)) for _ in range(REQUESTS))

    clients = [threading.Thread(target=client, args=(seed,)) for seed in range(CLIENTS)]
    for one in clients:
        one.start()
    for one in clients:
        one.join()
    times.sort()
    for name, share in (("p50", 0.5), ("p99", 0.99), ("slowest", 1.0)):
        line(name, f"{times[min(int(len(times) * share), len(times) - 1)] * 1000:.0f} ms")
    server.terminate()
    server.join()


def title(text: str) -> None:
    """Begin a table."""
    print(f"\n{text}", flush=True)


def line(name: str, figure: str) -> None:
    """One row of it."""
    print(f"  {name:60}{figure}", flush=True)


def _answers(url: str) -> bool:
    try:
        _seconds(url)
    except urllib.error.URLError:
        return False
    return True


def _seconds(url: str) -> float:
    begun = time.monotonic()
    request = urllib.request.Request(url, headers={"Accept-Encoding": "gzip"})
    with urllib.request.urlopen(request) as answer:
        answer.read()
    return time.monotonic() - begun


if __name__ == "__main__":
    main()
