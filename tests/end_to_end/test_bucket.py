"""The same days from an S3 bucket, into a lake in a bucket."""

import os
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import boto3
import pytest
from moto.server import ThreadedMotoServer

from tests.conftest import Installation, installed
from tests.end_to_end.comparison import assert_equal_everywhere
from tests.reference.slow_reader import read_object
from vigil_cli.backfill import backfill
from vigil_resources.settings import Settings
from vigil_sandbox.world import TINY, write_world

pytestmark = pytest.mark.slow

# The stand-in shares its buckets among all servers of a process: names of our own.
NODE_BUCKET, LAKE_BUCKET = "end-to-end-raw", "end-to-end-lake"
REGION = "ap-northeast-1"


@pytest.fixture
def bucket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A simulated world, in a bucket; gives the folder it was copied from."""
    root = tmp_path / "world"
    write_world(TINY, root)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_REGION", REGION)
    s3 = boto3.client("s3", endpoint_url=f"http://{host}:{port}", region_name=REGION)
    for name in (NODE_BUCKET, LAKE_BUCKET):
        s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
    for path in [*root.rglob("*.lz4"), root / "sandbox.json"]:
        s3.upload_file(str(path), NODE_BUCKET, path.relative_to(root).as_posix())
    monkeypatch.setenv("MOTO_ENDPOINT", f"http://{host}:{port}")
    yield root
    server.stop()


def test_days_from_a_bucket_equal_those_from_a_folder(
    bucket: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with installed(tmp_path, bucket, monkeypatch) as vigil:
        monkeypatch.setenv("AWS_ENDPOINT_URL", os.environ["MOTO_ENDPOINT"])
        monkeypatch.setenv("VIGIL_NODE_DATA", f"s3://{NODE_BUCKET}")
        monkeypatch.setenv("PARQUET_S3", f"s3://{LAKE_BUCKET}/vigil")
        settings = Settings.from_environment()

        backfill(settings, TINY.first_day, date(2025, 9, 2))

        rows = [row for path in bucket.rglob("*.lz4") for row in read_object(path).rows]
        assert_equal_everywhere(Installation(settings), rows)
        assert backfill(settings, TINY.first_day, date(2025, 9, 2)) == 0
        assert vigil.records("SELECT DISTINCT source FROM day_state") == [{"source": "sandbox"}]
