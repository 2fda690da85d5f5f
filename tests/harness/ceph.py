"""A Ceph object gateway on loopback: an S3 that checks signatures and lets the reader pay.

One monitor, one manager, one object store in memory and the gateway, all of Debian's packages
(`radosgw ceph-mon ceph-osd ceph-mgr`). What is stored lasts as long as the gateway.
"""

import json
import os
import shutil
import subprocess
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from vigil_resources.database.embedded_postgres import free_port

PROGRAMS = (
    "radosgw",
    "radosgw-admin",
    "ceph-mon",
    "ceph-osd",
    "ceph-mgr",
    "ceph",
    "ceph-authtool",
    "monmaptool",
)
START_SECONDS = 120

_CONFIGURATION = """\
[global]
fsid = {fsid}
mon host = [v2:127.0.0.1:{port}]
mon initial members = a
run dir = {folder}
admin socket = {folder}/$name.sock
log file = {folder}/$name.log
keyring = {folder}/keyring
ms bind msgr1 = false
mon allow pool size one = true
mon allow pool delete = true
mon data avail warn = 1
mon data avail crit = 0
mon max pg per osd = 1000
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 8
osd pool default pgp num = 8
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
osd objectstore = memstore
osd data = {folder}/osd
memstore device bytes = 4294967296
mon data = {folder}/mon
mgr data = {folder}/mgr
mgr initial modules =
rgw data = {folder}/rgw
# Without tcp_nodelay every small answer waits 40 ms.
rgw frontends = beast endpoint=127.0.0.1:{web} tcp_nodelay=1
rgw enable usage log = false

[osd]
public addr = 127.0.0.1

[mgr]
public addr = 127.0.0.1
"""

_ALL = "allow *"
_CAPS = {
    "mon.": {"mon": _ALL},
    "client.admin": {"mon": _ALL, "osd": _ALL, "mgr": _ALL},
    "mgr.a": {"mon": "allow profile mgr", "osd": _ALL},
    "osd.0": {"mon": "allow profile osd", "osd": _ALL, "mgr": "allow profile osd"},
    "client.rgw": {"mon": _ALL, "osd": _ALL, "mgr": _ALL},
}
"""What each part may do, in one keyring."""


@dataclass(frozen=True, slots=True)
class S3User:
    """Who signs requests."""

    access_key: str
    secret_key: str


@dataclass(frozen=True, slots=True)
class Gateway:
    """A running gateway with the owner of buckets, and a reader who owns none."""

    endpoint: str
    owner: S3User
    reader: S3User


def missing_programs() -> list[str]:
    """Of Ceph, what is not installed here."""
    return [name for name in PROGRAMS if shutil.which(name) is None]


@contextmanager
def ceph_gateway(folder: Path) -> Iterator[Gateway]:
    """Start all four, give the gateway once it answers, end them.

    Args:
        folder: Empty, on a short path: sockets are made in it.
    """
    web = free_port(7480)
    configuration = folder / "ceph.conf"
    fsid, disk, port = str(uuid.uuid4()), str(uuid.uuid4()), free_port(6800)
    configuration.write_text(_CONFIGURATION.format(fsid=fsid, folder=folder, port=port, web=web))
    for name in ("osd", "mon", "mgr", "rgw"):
        (folder / name).mkdir()
    conf = ["--conf", str(configuration)]
    monitors = str(folder / "monitors")
    addresses = f"[v2:127.0.0.1:{port}]"
    _run("monmaptool", "--create", "--fsid", fsid, "--addv", "a", addresses, monitors)
    keyring = str(folder / "keyring")
    _run("ceph-authtool", "--create-keyring", keyring)
    for entity, caps in _CAPS.items():
        allowed = [word for service, cap in caps.items() for word in ("--cap", service, cap)]
        _run("ceph-authtool", keyring, "--gen-key", "-n", entity, *allowed)
    _run("ceph-mon", "--mkfs", "-i", "a", "--monmap", monitors, "--keyring", keyring, *conf)
    children: list[subprocess.Popen[bytes]] = []
    try:
        children.append(_start("ceph-mon", "-f", "-i", "a", *conf))
        _run("ceph", *conf, "--connect-timeout", "60", "osd", "new", disk, "0")
        children.append(_start("ceph-mgr", "-f", "-i", "a", *conf))
        _run("ceph-osd", "--mkfs", "-i", "0", "--osd-uuid", disk, *conf)
        children.append(_start("ceph-osd", "-f", "-i", "0", *conf))
        owner, reader = (_user(conf, name) for name in ("owner", "reader"))
        children.append(_start("radosgw", "-f", "-n", "client.rgw", *conf))
        endpoint = f"http://127.0.0.1:{web}"
        _wait_until_answers(endpoint, children[-1], folder)
        yield Gateway(endpoint, owner, reader)
    finally:
        for child in reversed(children):
            child.kill()
            child.wait()


def _user(conf: list[str], name: str) -> S3User:
    words = ("user", "create", "--uid", name, "--display-name", name)
    found = json.loads(_run("radosgw-admin", *conf, "-n", "client.rgw", *words))
    key = found["keys"][0]
    return S3User(key["access_key"], key["secret_key"])


def _run(*words: str) -> str:
    done = subprocess.run(
        words, capture_output=True, text=True, timeout=START_SECONDS, env=_environment()
    )
    if done.returncode:
        raise RuntimeError(f"{words[0]} ended with {done.returncode}: {done.stderr[-2000:]}")
    return done.stdout


def _start(*words: str) -> subprocess.Popen[bytes]:
    quiet = subprocess.DEVNULL
    return subprocess.Popen(words, stdout=quiet, stderr=quiet, env=_environment())


def _environment() -> dict[str, str]:
    """Ceph's programs are Debian's, and so is the Python of some."""
    inherited = {k: v for k, v in os.environ.items() if k not in {"PYTHONPATH", "VIRTUAL_ENV"}}
    return {**inherited, "PATH": "/usr/bin:/usr/sbin:/bin:/sbin"}


def _wait_until_answers(endpoint: str, gateway: subprocess.Popen[bytes], folder: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if gateway.poll() is not None:
            break
        try:
            with urllib.request.urlopen(endpoint, timeout=5):
                return
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.2)
    logs = "\n".join(path.read_text()[-1500:] for path in folder.glob("client*.log"))
    raise RuntimeError(f"the gateway did not answer: {logs}")
