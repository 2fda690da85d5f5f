"""Full disks: of the database's data, of its write-ahead log, of the lake, of Dagster's home."""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from chaos.campaigns import Campaign, Context, Outcome
from chaos.installation import Installation
from chaos.kills import said_by
from chaos.loading import in_child, load
from chaos.months import Loads, Month, month_of
from tests.harness.kills import forks
from tests.harness.small_disk import SmallDisk, small_disk
from vigil_core.errors import ServerFailed
from vigil_resources.database.embedded_postgres import EmbeddedPostgres
from vigil_resources.wiring import DATABASE, embedded_postgres

_FORKS = forks("chaos.disks")
_FAILS_WITHIN = 10.0
_NO_ROOM = re.compile("No space left on device|no room|DiskFull", re.IGNORECASE)
_LOADED_BEFORE = 2


def disks_full(context: Context) -> Outcome:
    """One place after the other, each with a load in it, and room again afterwards."""
    month = context.shared.get(month_of(max(4, context.count(8))))
    places: dict[str, Callable[[Context, Month], tuple[float, list[str]]]] = {
        "data": _full_data,
        "write-ahead log": _full_wal,
        "lake": _full_lake,
        "Dagster's home": _full_home,
    }
    misses: list[str] = []
    seconds: dict[str, float] = {}
    for place, attack in places.items():
        seconds[place], seen = attack(context, month)
        context.say(f"{place}: error after {seconds[place]:.1f} s")
        if seconds[place] > _FAILS_WITHIN:
            seen.append(f"the error came after {seconds[place]:.1f} s")
        misses += [f"{place}: {one}" for one in seen]
    figure = f"{'identical' if not misses else 'NOT identical'}; error within "
    figure += ", ".join(f"{took:.1f} s ({place})" for place, took in seconds.items())
    return Outcome(not misses, figure, {f"full: {place}": 1 for place in places}, tuple(misses))


@contextmanager
def _server(context: Context, name: str, month: Month) -> Iterator[Installation]:
    """An installation with some days loaded, its server stopped."""
    here = Installation(context.folder / name, {"VIGIL_NODE_DATA": str(month.raw)})
    server = embedded_postgres(here.settings)
    server.keep_running()
    try:
        server.ensure_database(DATABASE)
        here.warehouse.install()
        load(here.settings, month.days[:_LOADED_BEFORE])
        server.stop()
        yield here
    finally:
        server.stop()


def _cluster(here: Installation) -> Path:
    return here.folder / "data" / "postgres" / "cluster"


def _full_data(context: Context, month: Month) -> tuple[float, list[str]]:
    with _server(context, "data", month) as here:
        cluster = _cluster(here)
        # The log elsewhere: what is full is the data's disk alone.
        elsewhere = here.folder / "data" / "postgres" / "wal"
        (cluster / "pg_wal").rename(elsewhere)
        (cluster / "pg_wal").symlink_to(elsewhere)
        with small_disk(cluster, 250) as disk, _running(here) as server:
            return _attack(context, here, month, disk, server, leave=300_000)


def _full_wal(context: Context, month: Month) -> tuple[float, list[str]]:
    with (
        _server(context, "wal", month) as here,
        small_disk(_cluster(here) / "pg_wal", 200) as disk,
        _running(here) as server,
    ):
        return _attack(context, here, month, disk, server, leave=0)


def _full_lake(context: Context, month: Month) -> tuple[float, list[str]]:
    leave = context.random.randrange(60_000)
    with (
        _server(context, "lake", month) as here,
        small_disk(Path(here.settings.lake), 30) as disk,
        _running(here) as server,
    ):
        return _attack(context, here, month, disk, server, leave=leave)


@contextmanager
def _running(here: Installation) -> Iterator[EmbeddedPostgres]:
    server = embedded_postgres(here.settings)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def _attack(
    context: Context,
    here: Installation,
    month: Month,
    disk: SmallDisk,
    server: EmbeddedPostgres,
    leave: int,
) -> tuple[float, list[str]]:
    """Seconds until the error, and what was seen that must not be."""
    earlier = here.rows("SELECT count(*), sum(time) FROM fills")
    disk.fill(leave)
    said = context.folder / "said"
    said.unlink(missing_ok=True)
    seen: list[str] = []
    begun, why = time.monotonic(), ""
    for _ in range(20):
        # A log that has some room in its present file gets to the end of it.
        if disk.folder.name == "pg_wal":
            here.rows("SELECT pg_switch_wal()")
        begun = time.monotonic()
        arguments = (here.environment, month.days[_LOADED_BEFORE:], True, str(said))
        process = _FORKS.Process(target=in_child, args=arguments)
        process.start()
        process.join(6 * _FAILS_WITHIN)
        if process.exitcode != 0:
            why = said_by(process, said) or "it did not end"
            process.kill()
            break
    took = time.monotonic() - begun
    if not server.is_running():
        try:
            server.start()
        except ServerFailed as error:
            why += str(error)
        else:
            why += (here.folder / "data" / "postgres" / "server.log").read_text()[-3000:]
    if not _NO_ROOM.search(why):
        seen.append(f"the error does not say that there is no room: {why[-1500:]}")
    disk.relieve()
    server.start()
    kept = here.rows(
        "SELECT count(*), sum(time) FROM fills WHERE time < %s",
        [_end_ms(month)],
    )
    if kept != earlier:
        seen.append(f"days loaded before are not as they were: {kept}, {earlier}")
    load(here.settings, month.days)
    return took, seen + list(Loads.of(here).differences(month.expected))


def _end_ms(month: Month) -> int:
    from vigil_core.calendar import day_start_ms

    return day_start_ms(month.days[_LOADED_BEFORE])


def _full_home(context: Context, month: Month) -> tuple[float, list[str]]:
    """The whole line: from nothing, with a home that takes no file; and with one that has one."""
    home = context.folder / "home" / "dagster_home"
    given = {"VIGIL_NODE_DATA": str(month.raw), "DAGSTER_HOME": str(home)}
    here = Installation(context.folder / "home", given)
    first, last = str(month.days[0]), str(month.days[-1])
    backfill = (
        "backfill",
        first,
        last,
        "--select",
        'key:"raw_fills" or key:"fills_parquet" or key:"fills"',
    )
    seen: list[str] = []
    server = embedded_postgres(here.settings)
    server.keep_running()
    server.ensure_database(DATABASE)
    here.warehouse.install()
    try:
        with small_disk(home, 40) as disk:
            disk.fill()
            begun = time.monotonic()
            ended = here.run(*backfill, check=False)
            took = time.monotonic() - begun
            if ended.returncode == 0:
                seen.append("a backfill without room for Dagster's configuration succeeded")
            elif not _NO_ROOM.search(ended.stderr) or "Traceback" in ended.stderr:
                seen.append(f"the error is not clear: {ended.stderr[-1500:]}")
            disk.relieve()
            here.run(*backfill)
            disk.fill()
            again = here.run(*backfill, "--force", check=False)
            if again.returncode != 0 and not _NO_ROOM.search(again.stderr):
                seen.append(f"the error is not clear: {again.stderr[-1500:]}")
            disk.relieve()
            here.run(*backfill)
            if list(home.glob("storage/**/*.db")) + list(home.glob("history/**/*.db")):
                seen.append("Dagster kept its runs in files, not in Postgres")
            seen += Loads.of(here).differences(month.expected)
    finally:
        server.stop()
    return took, seen


CAMPAIGNS = (
    Campaign(
        10,
        "disks-full",
        "A full disk stops a run loudly and leaves nothing half done",
        "the disk of the data, of the write-ahead log, of the lake, of Dagster's home full while"
        " days are loaded",
        "a clear error within 10 s; days before intact; with room again, identical",
        disks_full,
    ),
)
