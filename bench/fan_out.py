"""Runs of days on one Celery worker and on two: `python -m bench fan_out`.

Beside them `./vigil backfill` of the same days on one core. Each worker is pinned to a core of its
own; Redis, Postgres, the daemon and the lake lie on this machine and take what is left of both.
Days of `--fills` made-up fills, a batch of `--batch` days a run, from raw objects to the daily
aggregates; the clock runs from the first run's start to the last one's end, so that the daemon's
own pace, which is per run and not per fill, is beside it.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path

import dagster as dg

from bench.hours import DAY, write_days
from bench.workers import CELERY, backfill_has_ended, fleet, launch_backfill, prepare, start_redis
from vigil_resources.database.embedded_postgres import EmbeddedPostgres
from vigil_resources.database.warehouse import Warehouse
from vigil_resources.settings import PROJECT_ROOT

ASSETS = ("raw_fills", "fills_parquet", "fills", "trader_daily", "coin_daily", "builder_daily")


def environment(server: EmbeddedPostgres, place: Path, raw: Path) -> dict[str, str]:
    """Two databases that are new, and what all processes at `place` are told."""
    for name in (place.name, f"dagster_{place.name}"):
        server.ensure_database(name)
    Warehouse(server.url(place.name)).install()
    dagster = server.url(f"dagster_{place.name}").split("://", 1)[1]
    return {
        "DATABASE_URL": server.url(place.name),
        "DAGSTER_PG_URL": f"postgresql+psycopg2://{dagster}",
        "VIGIL_NODE_DATA": str(raw),
        "PARQUET_S3": str(place / "lake"),
        "VIGIL_DATA_DIR": str(place / "data"),
        # Runs of its own would be measured too.
        "VIGIL_AUTOMATION": "off",
        "PYTHONPATH": os.pathsep.join([str(PROJECT_ROOT), str(CELERY)]),
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
    }


def alone(folder: Path, raw: Path, days: int) -> float:
    """Seconds of `./vigil backfill` on one core: the same without Celery, or a run a day."""
    place = folder / "alone"
    place.mkdir()
    with EmbeddedPostgres(folder / "server").session() as server:
        ours = {**environment(server, place, raw), "DAGSTER_HOME": str(place / "home")}
        asked = ["backfill", str(DAY), str(DAY + timedelta(days=days - 1))]
        asked += ["--select", " or ".join(f"key:{name}" for name in ASSETS)]
        begun = time.monotonic()
        subprocess.run(
            ["taskset", "-c", "0", sys.executable, "-m", "vigil_cli", *asked],
            env=os.environ | ours,
            cwd=PROJECT_ROOT,
            check=True,
        )
        return time.monotonic() - begun


def measure(folder: Path, raw: Path, workers: int, days: int, batch: int) -> tuple[float, float]:
    """Seconds from the first run's start to the last one's end, and from asking to the end."""
    place = folder / f"with{workers}"
    home = place / "home"
    home.mkdir(parents=True)
    text = (CELERY / "dagster.yaml").read_text()
    (home / "dagster.yaml").write_text(text)
    with EmbeddedPostgres(folder / "server").session() as server:
        shared = environment(server, place, raw)
        with fleet(place / "logs", shared) as hosts:
            program = shutil.which("redis-server")
            if program is None:
                sys.exit("bench fan_out: there is no redis-server on this machine")
            broker = {"VIGIL_CELERY_BROKER": start_redis(hosts, program, "127.0.0.1")}
            hosts.shared = shared | broker
            os.environ |= {**shared, **broker, "DAGSTER_HOME": str(home)}
            with dg.DagsterInstance.get() as instance:
                prepare(instance, workers)
                for number in range(workers):
                    pinned = ["taskset", "-c", str(number % (os.cpu_count() or 1))]
                    hosts.start_worker(f"vigil{number}", home, place / f"data{number}", pinned)
                hosts.start_daemon(home)
                return _timed(instance, days, batch)


def _timed(instance: dg.DagsterInstance, days: int, batch: int) -> tuple[float, float]:
    asked = time.time()
    backfills = [
        launch_backfill(
            instance, ASSETS, DAY + timedelta(days=n), DAY + timedelta(days=n + batch - 1)
        )
        for n in range(0, days, batch)
    ]
    while not all(backfill_has_ended(instance, one) for one in backfills):
        time.sleep(0.5)
    records = instance.get_run_records()
    assert all(record.dagster_run.status is dg.DagsterRunStatus.SUCCESS for record in records)
    starts = [record.start_time for record in records if record.start_time]
    ends = [record.end_time for record in records if record.end_time]
    return max(ends) - min(starts), max(ends) - asked


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(prog="bench fan_out", description="Workers, measured")
    parser.add_argument("--fills", type=int, default=200_000, help="of each day")
    parser.add_argument("--days", type=int, default=4)
    parser.add_argument("--batch", type=int, default=1, help="days of a run")
    given = parser.parse_args()
    sys.path.insert(0, str(CELERY))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        print(f"writing {given.days} days of {given.fills:,} made-up fills …", file=sys.stderr)
        rows = write_days(folder / "raw", given.fills, given.days)
        seconds = alone(folder, folder / "raw", given.days)
        print(f"  ./vigil backfill on one core, imports included: {seconds:.1f} s, "
              f"{rows / seconds:,.0f} fills/s", flush=True)  # fmt: skip
        walls = {}
        for workers in (1, 2):
            load = os.getloadavg()[0]
            walls[workers], whole = measure(
                folder, folder / "raw", workers, given.days, given.batch
            )
            print(
                f"  {workers} worker(s) of one core: {walls[workers]:.1f} s, "
                f"{rows / walls[workers]:,.0f} fills/s, {whole:.1f} s since it was asked for; "
                f"load before {load:.1f}",
                flush=True,
            )
        print(f"  1 -> 2 workers: {walls[1] / walls[2]:.2f}; against ./vigil backfill: "
              f"{seconds / walls[1]:.2f} and {seconds / walls[2]:.2f}")  # fmt: skip


if __name__ == "__main__":
    main()
