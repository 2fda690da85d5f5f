"""Databases that crash in the middle of a load, and connections cut around a COMMIT."""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa

from chaos.campaigns import Campaign, Context, Outcome
from chaos.installation import Installation
from chaos.kills import said_by
from chaos.loading import in_child, load, load_and_build
from chaos.months import Loads, month_of
from tests.harness.kills import forks, wait_until
from tests.harness.postgres import (
    CommitCutter,
    Crash,
    Cut,
    backends_of,
    crash,
    seconds_until_back,
)
from vigil_resources.database import copies
from vigil_resources.database import warehouse as warehouse_module
from vigil_resources.database.embedded_postgres import EmbeddedPostgres
from vigil_resources.wiring import DATABASE, embedded_postgres

_FORKS = forks("chaos.databases")
_BACK_WITHIN = 5.0
_FAILS_WITHIN = 10.0


# --- 9: crashes in mid-COPY ----------------------------------------------------------------


def crashes_in_copy(context: Context) -> Outcome:
    """The loader waits with half of a day's rows sent, and the server ends there."""
    crashes = context.count(20, least=3)
    month = context.shared.get(month_of(max(3, context.count(10))))
    here = Installation(context.folder, {"VIGIL_NODE_DATA": str(month.raw)})
    server = embedded_postgres(here.settings)
    with _kept(server):
        server.ensure_database(DATABASE)
        here.warehouse.install()
        counts, slowest, misses = dict.fromkeys(Crash, 0), 0.0, list[str]()
        kinds = [list(Crash)[n % len(Crash)] for n in range(crashes)]
        context.random.shuffle(kinds)
        for number, kind in enumerate(kinds):
            # All days once more where all are loaded: over what is there.
            force = number >= len(month.days)
            day = month.days[number % len(month.days)]
            back, seen = _crash_once(context, here, server, day, kind, force=force)
            counts[kind] += 1
            slowest = max(slowest, back)
            misses += [f"crash {number}, {kind.value}: {one}" for one in seen]
        load(here.settings, month.days)
        misses += Loads.of(here).differences(month.expected)
    if slowest > _BACK_WITHIN:
        misses.append(f"back after {slowest:.1f} s")
    figure = f"{'identical' if not misses else 'NOT identical'}; back within {slowest:.1f} s"
    injected = {kind.value: count for kind, count in counts.items()}
    return Outcome(not misses, figure, injected, tuple(misses))


@contextmanager
def _kept(server: EmbeddedPostgres) -> Iterator[None]:
    server.keep_running()
    try:
        yield
    finally:
        server.start()
        server.stop()


def _crash_once(
    context: Context,
    here: Installation,
    server: EmbeddedPostgres,
    day: date,
    kind: Crash,
    *,
    force: bool,
) -> tuple[float, list[str]]:
    """Seconds until the server was back, and what was seen that must not be."""
    middle, said = context.folder / "middle", context.folder / "said"
    for file in (middle, said):
        file.unlink(missing_ok=True)
    before = _rows_by_day(here)
    arguments = (here.environment, [day], force, str(said), str(middle))
    process = _FORKS.Process(target=_load_and_wait, args=arguments)
    process.start()
    if not wait_until(middle.exists, 60):
        process.kill()
        return 0, [f"the load of {day} never came to its COPY: {said_by(process, said)}"]
    (backend,) = backends_of(server, DATABASE, "COPY")
    crash(context.folder / "data" / "postgres" / "cluster", kind, backend)
    middle.unlink()
    begun = time.monotonic()
    back = seconds_until_back(server)
    process.join(_FAILS_WITHIN)
    seen = []
    if process.exitcode is None:
        process.kill()
        seen.append(f"the loader still waited {_FAILS_WITHIN:.0f} s after the crash")
    elif process.exitcode == 0:
        seen.append("the loader did not notice")
    elif "OperationalError" not in (why := said_by(process, said)):
        seen.append(f"the loader failed by something else: {why}")
    context.say(f"{day} {kind.value}: back after {back:.2f} s of {time.monotonic() - begun:.2f}")
    if (after := _rows_by_day(here)) != before:
        seen.append(f"rows by day were {before}, are {after}")
    return back, seen


def _rows_by_day(here: Installation) -> list[tuple[Any, ...]]:
    """Rows in `fills`, and what the ledger says, by day: whole or absent, they agree."""
    return here.rows(
        "SELECT f.day, f.rows, s.row_count FROM (SELECT time / 86400000 * 86400000 AS day,"
        " count(*) AS rows FROM fills GROUP BY 1) AS f FULL JOIN day_state AS s USING (day)"
        " ORDER BY 1"
    )


def _load_and_wait(
    environment: Mapping[str, str], days: Sequence[date], force: bool, said: str, middle: str
) -> None:
    """`in_child`; with half of a day's tables sent, make the file and wait until it is gone."""
    real = copies.copy_in

    def slow(connection: Any, statement: Any, tables: Iterable[pa.Table], *rest: Any) -> int:
        return real(connection, statement, _pausing(list(tables), Path(middle)), *rest)

    setattr(warehouse_module, "copy_in", slow)  # noqa: B010 (a name that it imported)
    in_child(environment, days, force, said)


def _pausing(tables: Sequence[pa.Table], middle: Path) -> Iterator[pa.Table]:
    for number, table in enumerate(tables):
        if number == len(tables) // 2:
            # What is queued goes out meanwhile, so that the server has some of it.
            middle.touch()
            wait_until(lambda: not middle.exists(), 60)
        yield table


# --- 12: cuts around COMMIT ----------------------------------------------------------------


def commits_cut(context: Context) -> Outcome:
    """Load and build all of it, through a proxy that loses a COMMIT or its answer each time."""
    month = context.shared.get(month_of(3))
    there = month.installation(context.folder / "undisturbed")
    load_and_build(there.settings, month.days)
    expected = Loads.of(there)
    here = month.installation(context.folder / "attacked")
    assert here.settings.database_url is not None
    cutter = CommitCutter(here.settings.database_url)
    given = {**here.given, "DATABASE_URL": cutter.url}
    through = Installation(here.folder, given).settings
    full, counts, rounds = context.count(50, least=6), dict.fromkeys(Cut, 0), 0
    misses: list[str] = []
    while sum(counts.values()) < full and not misses:
        # Each once; then two of three are the one of the name.
        done = sum(counts.values())
        drawn = Cut.ANSWERED if done % 3 else context.random.choice(list(Cut))
        cut = list(Cut)[done] if done < len(Cut) else drawn
        before = cutter.cuts
        cutter.arm(context.random.randint(1, 6), cut)
        try:
            load_and_build(through, month.days, force=rounds % 2 == 1)
        except Exception as error:  # Judged here.
            if cutter.cuts == before:
                misses.append(f"failed without a cut: {type(error).__name__}: {error}")
        else:
            rounds += 1
            if cutter.cuts > before:
                misses.append("nobody noticed that the connection was cut")
        counts[cut] += cutter.cuts - before
    cutter.disarm()
    load_and_build(through, month.days)
    cutter.close()
    misses += Loads.of(here).differences(expected)
    figure = f"{'identical' if not misses else 'NOT identical'} after {sum(counts.values())} cuts"
    figure += f", {len(expected.tables)} tables"
    injected = {f"cut {cut.value}": count for cut, count in counts.items()}
    return Outcome(not misses, figure, injected, tuple(misses))


CAMPAIGNS = (
    Campaign(
        9,
        "crashes-in-copy",
        "A dead database stops a run loudly and leaves nothing half done",
        "20 crashes of Postgres with half of a day's rows sent: immediate stop, SIGKILL of the"
        " backend, SIGKILL of the postmaster",
        "each day whole or absent, identical; the loader fails within 10 s; back within 5 s",
        crashes_in_copy,
    ),
    Campaign(
        12,
        "commits-cut",
        "Loaded means committed: whoever sees an error asks the ledger",
        "the connection cut between COMMIT and its answer, or just before, 50 times, while days"
        " are loaded and all is built of them",
        "no row twice, none lost: every table identical",
        commits_cut,
    ),
)
