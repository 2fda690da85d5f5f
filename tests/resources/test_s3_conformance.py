"""The same questions to a folder, to moto and to Ceph's gateway; where they differ is said here.

Vigil is tested on all three: what is tested on one holds of the exchange's bucket as far as its
answers are the bucket's. A difference that is not in the table fails, and so does one that went.
"""

import base64
import hashlib
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto.server import ThreadedMotoServer

from tests.harness.ceph import ceph_gateway, missing_programs
from vigil_core.errors import ObjectMissing, VigilError
from vigil_resources.files.store import Store

BUCKET = "conformance"
REGION = "us-east-1"
PART = 5 << 20


@dataclass(frozen=True)
class Server:
    """One of the three."""

    name: str
    store: Store
    client: Any = None
    """boto3 of the bucket's owner; None: a folder."""
    stranger: Any = None
    """boto3 of somebody who is let in, and pays."""
    forger: Any = None
    """boto3 with the owner's name and a wrong secret."""


def _client(endpoint: str, access: str, secret: str) -> Any:
    keys = {"aws_access_key_id": access, "aws_secret_access_key": secret}
    return boto3.client("s3", endpoint_url=endpoint, region_name=REGION, **keys)


def _store(endpoint: str, access: str, secret: str) -> Store:
    given = {
        "aws_access_key_id": access,
        "aws_secret_access_key": secret,
        "aws_region": REGION,
        "aws_endpoint_url": endpoint,
    }
    return Store(f"s3://{BUCKET}/root", given, sleep=lambda _: None)


@pytest.fixture(scope="module")
def folder() -> Iterator[Server]:
    with tempfile.TemporaryDirectory() as place:
        yield Server("folder", Store(place))


@pytest.fixture(scope="module")
def moto() -> Iterator[Server]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    endpoint = "http://{}:{}".format(*server.get_host_and_port())
    client = _client(endpoint, "owner", "secret")
    client.create_bucket(Bucket=BUCKET)
    let_the_reader_pay(client)
    others = _client(endpoint, "stranger", "x"), _client(endpoint, "owner", "wrong")
    yield Server("moto", _store(endpoint, "owner", "secret"), client, *others)
    server.stop()


@pytest.fixture(scope="module")
def ceph() -> Iterator[Server]:
    if missing_programs():
        pytest.skip(f"not installed here: {', '.join(missing_programs())}")
    # Sockets are made below it: a short path.
    place = Path(tempfile.mkdtemp(prefix="ceph-"))
    try:
        with ceph_gateway(place) as gateway:
            owner, reader = gateway.owner, gateway.reader
            client = _client(gateway.endpoint, owner.access_key, owner.secret_key)
            client.create_bucket(Bucket=BUCKET)
            let_the_reader_pay(client)
            stranger = _client(gateway.endpoint, reader.access_key, reader.secret_key)
            forger = _client(gateway.endpoint, owner.access_key, "wrong")
            store = _store(gateway.endpoint, owner.access_key, owner.secret_key)
            yield Server("ceph", store, client, stranger, forger)
    finally:
        shutil.rmtree(place, ignore_errors=True)


def let_the_reader_pay(client: Any) -> None:
    """Everybody may read the bucket who says that he pays."""
    resources = f'["arn:aws:s3:::{BUCKET}", "arn:aws:s3:::{BUCKET}/*"]'
    client.put_bucket_policy(
        Bucket=BUCKET,
        Policy=f'{{"Version": "2012-10-17", "Statement": [{{"Effect": "Allow", "Principal": "*",'
        f' "Action": ["s3:GetObject", "s3:ListBucket"], "Resource": {resources}}}]}}',
    )
    payment = {"Payer": "Requester"}
    client.put_bucket_request_payment(Bucket=BUCKET, RequestPaymentConfiguration=payment)


# --- the questions: each gives what is compared ----------------------------------------------


def written_is_read(server: Server) -> object:
    server.store.write("read/a", b"one")
    return server.store.read("read/a")


def replaced_is_read(server: Server) -> object:
    server.store.write("replaced/a", b"one")
    server.store.write("replaced/a", b"other")
    return server.store.read("replaced/a")


def empty_object(server: Server) -> object:
    server.store.write("empty/a", b"")
    return server.store.read("empty/a"), server.store.list("empty")[0].size


def missing_is_missing(server: Server) -> object:
    try:
        return server.store.read("no/such")
    except ObjectMissing as error:
        return type(error).__name__


def deleted_twice(server: Server) -> object:
    server.store.write("deleted/a", b"x")
    server.store.delete("deleted/a")
    server.store.delete("deleted/a")
    return server.store.list("deleted")


def listing_of_nothing(server: Server) -> object:
    return server.store.list("never-written")


def listing_is_by_bytes(server: Server) -> object:
    for name in ("b", "a", "B", "10", "9", "a/deep"[::-1]):
        server.store.write(f"order/{name}", b"x")
    return [item.key for item in server.store.list("order")]


def listing_ends_at_its_slash(server: Server) -> object:
    for name in ("day=2/x", "day=20/x"):
        server.store.write(f"slash/{name}", b"x")
    return [item.key for item in server.store.list("slash/day=2")]


def pages(server: Server) -> object:
    for number in range(1_003):
        server.store.write(f"pages/{number:04}", b"")
    return len(server.store.list("pages"))


def odd_keys(server: Server) -> object:
    keys = ["odd/a b", "odd/a+b", "odd/a=b", "odd/é", "odd/a&b;c"]
    for key in keys:
        server.store.write(key, key.encode())
    listed = [item.key for item in server.store.list("odd")]
    return listed == sorted(keys) and [server.store.read(key) for key in keys] == [
        key.encode() for key in keys
    ]


def etag_is_md5(server: Server) -> object:
    server.store.write("md5/a", b"one")
    [listed] = server.store.list("md5")
    return listed.etag == hashlib.md5(b"one").hexdigest()


def etag_tells_a_change(server: Server) -> object:
    server.store.write("change/a", b"one")
    [before] = server.store.list("change")
    server.store.write("change/a", b"two")
    [after] = server.store.list("change")
    return before.etag != after.etag


def etag_of_parts(server: Server) -> object:
    content = bytes(2 * PART + 1)
    if server.client is None:
        return "no parts"
    upload = server.client.create_multipart_upload(Bucket=BUCKET, Key="root/parts/a")["UploadId"]
    place = {"Bucket": BUCKET, "Key": "root/parts/a", "UploadId": upload}
    parts = []
    for number in range(3):
        body = content[number * PART : (number + 1) * PART]
        answer = server.client.upload_part(PartNumber=number + 1, Body=body, **place)
        parts.append({"PartNumber": number + 1, "ETag": answer["ETag"]})
    server.client.complete_multipart_upload(MultipartUpload={"Parts": parts}, **place)
    [listed] = server.store.list("parts")
    with tempfile.TemporaryDirectory() as place_here:
        return listed.etag[-2:], server.store.download(listed, Path(place_here) / "a")


def download_is_proved(server: Server) -> object:
    server.store.write("proved/a", b"12345")
    [listed] = server.store.list("proved")
    with tempfile.TemporaryDirectory() as place:
        return server.store.download(listed, Path(place) / "a")


def range_is_read(server: Server) -> object:
    server.store.write("range/a", b"0123456789")
    if server.client is None:
        return "no ranges asked"
    answer = server.client.get_object(Bucket=BUCKET, Key="root/range/a", Range="bytes=2-4")
    return answer["Body"].read(), answer["ContentRange"]


def start_after(server: Server) -> object:
    for name in "abc":
        server.store.write(f"after/{name}", b"x")
    if server.client is None:
        return "not asked"
    found = server.client.list_objects_v2(
        Bucket=BUCKET, Prefix="root/after/", StartAfter="root/after/a"
    )
    return [item["Key"][-1] for item in found["Contents"]]


def condition_is_kept(server: Server) -> object:
    if server.client is None:
        return "not asked"
    server.store.write("condition/a", b"x")
    return outcome(
        lambda: server.client.get_object(
            Bucket=BUCKET, Key="root/condition/a", IfMatch='"' + "0" * 32 + '"'
        )
    )


def wrong_md5_is_refused(server: Server) -> object:
    if server.client is None:
        return "not asked"
    wrong = base64.b64encode(hashlib.md5(b"other").digest()).decode()
    return outcome(
        lambda: server.client.put_object(
            Bucket=BUCKET, Key="root/digest", Body=b"one", ContentMD5=wrong
        )
    )


def forged_signature_is_refused(server: Server) -> object:
    if server.client is None:
        return "not asked"
    server.store.write("forged/a", b"x")
    return outcome(lambda: server.forger.get_object(Bucket=BUCKET, Key="root/forged/a"))


def reader_who_does_not_pay(server: Server) -> object:
    if server.client is None:
        return "not asked"
    server.store.write("pay/a", b"x")
    return outcome(lambda: server.stranger.get_object(Bucket=BUCKET, Key="root/pay/a"))


def reader_who_pays(server: Server) -> object:
    if server.client is None:
        return "not asked"
    server.store.write("pays/a", b"x")
    return outcome(
        lambda: server.stranger.get_object(
            Bucket=BUCKET, Key="root/pays/a", RequestPayer="requester"
        )
    )


def payment_is_acknowledged(server: Server) -> object:
    if server.client is None:
        return "not asked"
    server.store.write("charged/a", b"x")
    return server.stranger.get_object(
        Bucket=BUCKET, Key="root/charged/a", RequestPayer="requester"
    ).get("RequestCharged")


def stranger_may_not_write(server: Server) -> object:
    if server.client is None:
        return "not asked"
    return outcome(
        lambda: server.stranger.put_object(
            Bucket=BUCKET, Key="root/foreign", Body=b"x", RequestPayer="requester"
        )
    )


def no_such_bucket(server: Server) -> object:
    if server.client is None:
        return "not asked"
    return outcome(lambda: server.client.list_objects_v2(Bucket="no-such-bucket"))


def file_is_taken(server: Server) -> object:
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "file"
        path.write_bytes(b"of a file")
        server.store.take_file("taken/a", path)
        return server.store.read("taken/a"), path.exists()


def outcome(ask: Callable[[], Any]) -> object:
    """The error's code, or that there was none."""
    try:
        ask()
    except ClientError as error:
        return error.response["ResponseMetadata"]["HTTPStatusCode"]
    except VigilError as error:
        return type(error).__name__
    return "done"


QUESTIONS: dict[Callable[[Server], object], object] = {
    written_is_read: b"one",
    replaced_is_read: b"other",
    empty_object: (b"", 0),
    missing_is_missing: "ObjectMissing",
    deleted_twice: [],
    listing_of_nothing: [],
    listing_is_by_bytes: [f"order/{name}" for name in ("10", "9", "B", "a", "b", "peed/a")],
    listing_ends_at_its_slash: ["slash/day=2/x"],
    pages: 1_003,
    odd_keys: True,
    etag_is_md5: True,
    etag_tells_a_change: True,
    etag_of_parts: ("-3", True),
    download_is_proved: True,
    range_is_read: (b"234", "bytes 2-4/10"),
    start_after: ["b", "c"],
    condition_is_kept: 412,
    wrong_md5_is_refused: 400,
    forged_signature_is_refused: 403,
    reader_who_does_not_pay: 403,
    reader_who_pays: "done",
    payment_is_acknowledged: "requester",
    stranger_may_not_write: 403,
    no_such_bucket: 404,
    file_is_taken: (b"of a file", False),
}
"""What the bucket of the exchange answers."""

DIFFERENCES: dict[str, dict[Callable[[Server], object], object]] = {
    # Its ETag is of the file's number, time and size.
    "folder": {
        etag_is_md5: False,
        download_is_proved: False,
        etag_of_parts: "no parts",
        range_is_read: "no ranges asked",
        **dict.fromkeys(
            (
                start_after,
                condition_is_kept,
                wrong_md5_is_refused,
                forged_signature_is_refused,
                reader_who_does_not_pay,
                reader_who_pays,
                payment_is_acknowledged,
                stranger_may_not_write,
                no_such_bucket,
            ),
            "not asked",
        ),
    },
    # It lets everybody in, and does not look at what was said of the content.
    "moto": {
        wrong_md5_is_refused: "done",
        forged_signature_is_refused: "done",
        reader_who_does_not_pay: "done",
        payment_is_acknowledged: None,
        stranger_may_not_write: "done",
    },
    "ceph": {},
}


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question.__name__)
@pytest.mark.parametrize("name", ["folder", "moto", pytest.param("ceph", marks=pytest.mark.slow)])
def test_answers_are_those_of_the_table(
    name: str, question: Callable[[Server], object], request: pytest.FixtureRequest
) -> None:
    server: Server = request.getfixturevalue(name)
    assert question(server) == DIFFERENCES[name].get(question, QUESTIONS[question])
