"""Objects under keys: in a directory, in an S3 of this machine, and behind a scripted server."""

import errno
import hashlib
import os
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from vigil_core.errors import NotWritten, ObjectMissing, UnreadableObject
from vigil_resources.files import store as store_module
from vigil_resources.files.store import Listed, Store, read_chunks

BUCKET = "node-data"
FAKE = {
    "aws_access_key_id": "fake",
    "aws_secret_access_key": "fake",
    "aws_session_token": "",
    "aws_region": "us-east-1",
}


def md5_of(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(scope="module")
def client(endpoint: str) -> Any:
    client = boto3.client("s3", endpoint_url=endpoint, **_boto(FAKE))
    client.create_bucket(Bucket=BUCKET)
    return client


def _boto(s3: dict[str, str]) -> dict[str, str]:
    return {
        "aws_access_key_id": s3["aws_access_key_id"],
        "aws_secret_access_key": s3["aws_secret_access_key"],
        "region_name": s3["aws_region"],
    }


@pytest.fixture
def pauses() -> list[float]:
    return []


@pytest.fixture(params=["directory", "bucket"])
def store(request: pytest.FixtureRequest, tmp_path: Path, pauses: list[float]) -> Store:
    """The same tests for both kinds; each test has a root of its own."""
    if request.param == "directory":
        return Store(str(tmp_path / "root"), sleep=pauses.append)
    request.getfixturevalue("client")
    s3 = FAKE | {"aws_endpoint_url": request.getfixturevalue("endpoint")}
    return Store(f"s3://{BUCKET}/{tmp_path.name}", s3, sleep=pauses.append)


# --- both kinds ----------------------------------------------------------------------------


def test_written_object_is_read_and_replaced(store: Store, tmp_path: Path) -> None:
    store.write("a/b.json", b"one")
    assert store.read("a/b.json") == b"one"
    store.write("a/b.json", b"")
    assert store.read("a/b.json") == b""
    local = tmp_path / "local"
    local.write_bytes(b"from a file")
    store.write("a/b.json", local)
    assert store.read("a/b.json") == b"from a file"


def test_what_a_killed_writer_left_goes_with_the_next_write(tmp_path: Path) -> None:
    folder = tmp_path / "store" / "a"
    folder.mkdir(parents=True)
    # Of a process that is no more, and as obstore names what it has not finished.
    for name in ("[b].json#4194303", "[b].json#1x"):
        (folder / name).write_bytes(b"half")

    Store(str(tmp_path / "store")).write("a/[b].json", b"whole")

    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {"[b].json": b"whole"}


def test_what_is_there_already_is_not_written_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(str(tmp_path))
    store.write("a/b.json", b"1")
    monkeypatch.setattr(Path, "replace", lambda *_: pytest.fail("written"))
    store.write("a/b.json", b"1")
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["b.json"]


def test_object_for_which_there_is_no_room_is_named_and_the_old_one_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: Path) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    store = Store(str(tmp_path))
    store.write("a/b", b"old")
    monkeypatch.setattr(store_module, "_sync", full)

    with pytest.raises(NotWritten, match="'a/b' could not be written .*: No space left on device"):
        store.write("a/b", b"new")

    assert store.read("a/b") == b"old"
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["b"]


def test_listing_is_sorted_and_stays_below_its_prefix(store: Store) -> None:
    for key in ("day=2/b", "day=2/a", "day=20/c", "day=1/d", "day=2/deep/e"):
        store.write(key, key.encode())
    for prefix in ("day=2", "day=2/"):
        listed = store.list(prefix)
        assert [item.key for item in listed] == ["day=2/a", "day=2/b", "day=2/deep/e"]
        assert [item.size for item in listed] == [7, 7, 12]
        assert all(item.etag and '"' not in item.etag for item in listed)
    assert store.list("day=3/") == []


def test_listing_from_a_folder_on_leaves_out_what_lies_before(store: Store) -> None:
    keys = [f"hourly/{name}" for name in ("20260101/3.lz4", "20260102/0.lz4", "20260103/23.lz4")]
    for key in [*keys, "other/20260103/0.lz4", "hourly.txt"]:
        store.write(key, b"x")
    found = [[item.key for item in store.list_from("hourly/", day)] for day in DAYS_ON]
    assert found == [keys, keys[1:], keys[2:], []]
    assert store.list_from("nothing/", "2026") == ()
    [first, *_] = store.list_from("hourly/", "20260102")
    assert first in store.list("hourly/20260102")


DAYS_ON = ("20251231", "20260102", "20260103", "20260104")


def test_keys_with_signs_and_spaces(store: Store) -> None:
    keys = ["day=2026-03-15/a b.parquet", "day=2026-03-15/a+b.parquet"]
    for key in keys:
        store.write(key, key.encode())
    assert [item.key for item in store.list("day=2026-03-15")] == keys
    assert [store.read(key) for key in keys] == [key.encode() for key in keys]


def test_etag_changes_with_the_content(store: Store) -> None:
    store.write("a/b", b"one")
    (before,) = store.list("a")
    store.write("a/b", b"other")
    (after,) = store.list("a")
    assert before.etag != after.etag


def test_missing_key_is_named(store: Store, tmp_path: Path, pauses: list[float]) -> None:
    with pytest.raises(ObjectMissing, match="no/such"):
        store.read("no/such")
    with pytest.raises(ObjectMissing, match="no/such"):
        store.download(Listed("no/such", 1, "x"), tmp_path / "target")
    assert pauses == []


def test_delete_may_be_repeated(store: Store) -> None:
    store.write("a/b", b"x")
    store.delete("a/b")
    store.delete("a/b")
    assert store.list("a") == []


def test_download_brings_the_listed_bytes(
    store: Store, tmp_path: Path, pauses: list[float]
) -> None:
    content = bytes(range(256)) * 40_000
    store.write("a/b", content)
    (listed,) = store.list("a")
    store.download(listed, tmp_path / "target")
    assert b"".join(read_chunks(tmp_path / "target")) == content
    assert pauses == []


def test_object_of_another_size_than_listed_is_unreadable(
    store: Store, tmp_path: Path, pauses: list[float]
) -> None:
    store.write("a/b", b"12345")
    (listed,) = store.list("a")
    with pytest.raises(UnreadableObject, match="a/b: 5 bytes came, 6 are listed"):
        store.download(replace(listed, size=6), tmp_path / "target")
    assert pauses == []


def test_object_of_another_md5_than_listed_is_unreadable(
    store: Store, tmp_path: Path, pauses: list[float]
) -> None:
    store.write("a/b", b"12345")
    with pytest.raises(UnreadableObject, match=f"MD5 {md5_of(b'12345')} came"):
        store.download(Listed("a/b", 5, md5_of(b"54321")), tmp_path / "target")
    assert pauses == []


@pytest.mark.parametrize("part", [5 << 20, 8 << 20, 16 << 20])
def test_etag_of_parts_proves_the_whole(part: int, tmp_path: Path) -> None:
    store = Store(str(tmp_path / "store"))
    content = random.Random(part).randbytes(20 << 20)
    store.write("a/b", content)
    md5s = [hashlib.md5(content[i : i + part]) for i in range(0, len(content), part)]
    whole = hashlib.md5(b"".join(md5.digest() for md5 in md5s)).hexdigest()
    etag = f"{whole}-{len(md5s)}"
    assert store.download(Listed("a/b", len(content), etag), tmp_path / "target") is True
    other = f"{md5_of(b'x')}-{len(md5s)}"
    assert store.download(Listed("a/b", len(content), other), tmp_path / "target") is False


def test_etag_of_a_multipart_upload_is_no_md5(store: Store, tmp_path: Path) -> None:
    store.write("a/b", b"12345")
    store.download(Listed("a/b", 5, md5_of(b"x") + "-2"), tmp_path / "target")
    assert (tmp_path / "target").read_bytes() == b"12345"


# --- S3 ------------------------------------------------------------------------------------


@pytest.mark.slow
def test_listing_of_more_than_a_page_is_complete(client: Any, endpoint: str) -> None:
    wanted = [f"many/{number:04d}" for number in range(1_100)]
    for key in wanted:
        client.put_object(Bucket=BUCKET, Key=key, Body=b"x")
    store = Store(f"s3://{BUCKET}", FAKE | {"aws_endpoint_url": endpoint})
    assert [item.key for item in store.list("many/")] == wanted


def test_listed_etag_is_the_md5(client: Any, endpoint: str) -> None:
    client.put_object(Bucket=BUCKET, Key="md5/a", Body=b"content")
    store = Store(f"s3://{BUCKET}", FAKE | {"aws_endpoint_url": endpoint})
    assert store.list("md5") == [Listed("md5/a", 7, md5_of(b"content"))]


# --- a scripted server ---------------------------------------------------------------------


@dataclass
class Script:
    """Answers in turn, the last one for ever, and what was asked."""

    answers: list[tuple[int, bytes]] = field(default_factory=list)
    requests: list[dict[str, str]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    address: str = ""
    promised: int = 0
    """Bytes that Content-Length names beyond those that come."""
    etag: str = "x"
    seconds: float = 0
    """That each answer takes."""

    def store(self, pauses: list[float], **settings: str) -> Store:
        asked = FAKE | {"aws_endpoint_url": self.address} | settings
        return Store(f"s3://{BUCKET}", asked, pauses.append)


@pytest.fixture
def script() -> Iterator[Script]:
    script = Script()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:  # noqa: N802
            script.requests.append({name.lower(): value for name, value in self.headers.items()})
            script.paths.append(self.path)
            status, body = script.answers[min(len(script.requests), len(script.answers)) - 1]
            time.sleep(script.seconds)
            self.send_response(status)
            self.send_header("Content-Length", str(len(body) + script.promised))
            self.send_header("ETag", f'"{script.etag}"')
            self.send_header("Last-Modified", "Mon, 27 Oct 2025 17:00:00 GMT")
            self.end_headers()
            self.wfile.write(body)
            self.close_connection = True

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    script.address = f"http://127.0.0.1:{server.server_port}"
    yield script
    server.shutdown()
    server.server_close()
    thread.join()


def test_reader_offers_to_pay(script: Script, pauses: list[float], tmp_path: Path) -> None:
    script.answers = [(200, b"12345")]
    store = script.store(pauses)
    store.read("a/b")
    store.download(Listed("a/b", 5, md5_of(b"12345")), tmp_path / "target")
    script.answers = [(200, b"<ListBucketResult></ListBucketResult>")]
    store.list("a/")

    assert len(script.requests) == 3
    for request in script.requests:
        assert request["x-amz-request-payer"] == "requester"
        assert "x-amz-request-payer" in request["authorization"]


def test_shortened_and_altered_bodies_are_fetched_again(
    script: Script, pauses: list[float], tmp_path: Path
) -> None:
    script.answers = [(200, b"123"), (200, b"12x45"), (200, b"12345")]
    target = tmp_path / "target"
    script.store(pauses).download(Listed("a/b", 5, md5_of(b"12345")), target)
    assert target.read_bytes() == b"12345"
    assert len(script.requests) == 3
    assert pauses == [0.5, 1.0]


def test_slow_answers_leave_time_to_ask_again(script: Script, pauses: list[float]) -> None:
    script.answers = [(200, b"12x45")] * 5 + [(200, b"12345")]
    script.etag, script.seconds = md5_of(b"12345"), 0.4
    assert script.store(pauses, read_timeout="0.6").read("a/b") == b"12345"
    assert len(script.requests) == 6


@pytest.mark.slow
def test_every_reason_is_told_once(script: Script, pauses: list[float], tmp_path: Path) -> None:
    script.answers = [(200, b"123"), (200, b"1234"), (200, b"123")]
    with pytest.raises(UnreadableObject) as caught:
        script.store(pauses).download(Listed("a/b", 5, ""), tmp_path / "target")
    assert caught.value.reason == "3 bytes came, 5 are listed; 4 bytes came, 5 are listed"


def test_connection_that_ends_too_early_is_tried_again(
    script: Script, pauses: list[float], tmp_path: Path
) -> None:
    script.answers = [(200, b"123")]
    script.promised = 2
    with pytest.raises(UnreadableObject, match="a/b"):
        script.store(pauses).download(Listed("a/b", 5, ""), tmp_path / "target")
    assert len(pauses) == 11
    assert pauses == sorted(pauses)


def test_denied_access_is_not_tried_again(
    script: Script, pauses: list[float], tmp_path: Path
) -> None:
    script.answers = [(403, b"<Error><Code>AccessDenied</Code></Error>")]
    with pytest.raises(UnreadableObject, match="access denied"):
        script.store(pauses).download(Listed("a/b", 5, ""), tmp_path / "target")
    assert (len(script.requests), pauses) == (1, [])


def test_credentials_stay_out_of_errors(
    script: Script, pauses: list[float], tmp_path: Path
) -> None:
    script.answers = [(403, b"<Error><Code>AccessDenied</Code></Error>")]
    s3 = FAKE | {
        "aws_secret_access_key": "verysecret",
        "aws_endpoint_url": script.address,
    }
    store = Store(f"s3://{BUCKET}", s3, pauses.append)
    with pytest.raises(UnreadableObject) as caught:
        store.download(Listed("a/b", 5, ""), tmp_path / "target")
    assert "verysecret" not in str(caught.value)
