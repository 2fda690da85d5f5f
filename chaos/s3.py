"""Attacks on what lies between Vigil and its buckets."""

import hashlib
import json
import logging
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import boto3
import lz4.frame
from moto.server import ThreadedMotoServer

from chaos.campaigns import Campaign, Context, Outcome
from tests.conftest import Installation
from tests.harness.ceph import ceph_gateway, missing_programs
from tests.harness.fault_proxy import GET_FAULTS, Rules, fault_proxy
from vigil_cli.ready import database_ready
from vigil_core.errors import UnreadableObject
from vigil_resources.files.store import Listed, Store
from vigil_resources.settings import PROJECT_ROOT, Settings
from vigil_sandbox.world import TINY, write_world

RAW = "raw-of-the-node"
REGION = "us-east-1"
SILENCE_SECONDS = 1
LIMIT_SECONDS = 90
"""Of a whole backfill: it tries the day of the object twice, at 15 silences each, and starts."""

MOST_RUNS = 8
"""A listing that lacks an object hides it until the next run."""

_LAST = TINY.first_day + timedelta(days=TINY.day_count - 1)


@dataclass(frozen=True, slots=True)
class Bucketful:
    """An S3 with a simulated world in it, and how to sign requests to it."""

    endpoint: str
    access_key: str
    secret_key: str
    first_object: str
    kind: str

    def client(self, endpoint: str | None = None) -> Any:
        """A boto3 client; of the proxy, where its address is given."""
        return boto3.client(
            "s3",
            endpoint_url=endpoint or self.endpoint,
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            region_name=REGION,
        )

    def store(self, endpoint: str, bucket: str, silence: float = 20) -> Store:
        """The product's own reader."""
        given = {
            "aws_access_key_id": self.access_key,
            "aws_secret_access_key": self.secret_key,
            "aws_region": REGION,
            "aws_endpoint_url": endpoint,
            "read_timeout": str(silence),
        }
        return Store(f"s3://{bucket}", given, sleep=lambda _: None)


@contextmanager
def moto_bucketful(folder: Path) -> Iterator[Bucketful]:
    """On moto's server: it accepts any key."""
    # It writes a line a request.
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    address = f"http://{host}:{port}"
    try:
        yield _filled(Bucketful(address, "fake", "fake", "", "moto"), folder)
    finally:
        server.stop()


@contextmanager
def ceph_bucketful(folder: Path) -> Iterator[Bucketful]:
    """On Ceph's gateway: signatures are checked, and a reader without the payer's header refused.

    The reader's keys are given; the bucket is another's, as the exchange's is.
    """
    (folder / "ceph").mkdir()
    with ceph_gateway(folder / "ceph") as gateway:
        owner = Bucketful(
            gateway.endpoint, gateway.owner.access_key, gateway.owner.secret_key, "", "ceph"
        )
        filled = _filled(owner, folder)
        client = owner.client()
        allowed = {
            "Effect": "Allow",
            "Principal": "*",
            "Action": ["s3:GetObject", "s3:ListBucket"],
            "Resource": [f"arn:aws:s3:::{RAW}", f"arn:aws:s3:::{RAW}/*"],
        }
        policy = {"Version": "2012-10-17", "Statement": [allowed]}
        client.put_bucket_policy(Bucket=RAW, Policy=json.dumps(policy))
        payment = {"Payer": "Requester"}
        client.put_bucket_request_payment(Bucket=RAW, RequestPaymentConfiguration=payment)
        reader = gateway.reader
        yield Bucketful(
            gateway.endpoint, reader.access_key, reader.secret_key, filled.first_object, "ceph"
        )


def _filled(target: Bucketful, folder: Path) -> Bucketful:
    root = folder / "world"
    write_world(TINY, root)
    client = target.client()
    client.create_bucket(Bucket=RAW)
    names = []
    for path in [*sorted(root.rglob("*.lz4")), root / "sandbox.json"]:
        names.append(path.relative_to(root).as_posix())
        client.upload_file(str(path), RAW, names[-1])
    keys = target.endpoint, target.access_key, target.secret_key
    return Bucketful(*keys, next(n for n in names if "/hourly/" in n), target.kind)


# --- a month, or a little of it, through spoiled answers --------------------------------------


def spoiled_answers(context: Context) -> Outcome:
    """Half of all GETs, a tenth of all listings and a fifth of all PUTs are spoiled."""
    made = moto_bucketful if context.scale < 1 or missing_programs() else ceph_bucketful
    bucketful = context.shared.get(made)
    lakes = f"lakes-{context.seed}"
    bucketful.client().create_bucket(Bucket=lakes)
    quiet = _Vigil(context.folder / "quiet", bucketful, bucketful.endpoint, f"{lakes}/quiet")
    with quiet.running():
        quiet.backfill()
        wanted, wanted_lake = quiet.installation.contents(), quiet.lake_digests()
    rules = Rules(
        context.seed, gets=0.5, lists=0.1, puts=0.2, requires_payer=True, stall_seconds=60
    )
    with fault_proxy(bucketful.endpoint, rules) as proxy:
        context.say(f"{bucketful.kind}, spoiled by {proxy.url}")
        vigil = _Vigil(context.folder / "spoiled", bucketful, proxy.url, f"{lakes}/spoiled")
        with vigil.running():
            for run in range(1, MOST_RUNS + 1):
                done = vigil.backfill(check=False)
                same = vigil.installation.contents() == wanted
                context.say(f"run {run}: exit {done}, {'identical' if same else 'not yet'}")
                if done == 0 and same:
                    break
            found, found_lake = vigil.installation.contents(), vigil.lake_digests()
        counts = Counter(proxy.counts)
    asked, without = counts.pop("requests"), counts.pop("without payer", 0)
    other = [name for name in wanted if found[name] != wanted[name]]
    misses = [f"{name} differs" for name in other]
    misses += ["the lake's objects differ"] if found_lake != wanted_lake else []
    misses += [f"{without} requests without the payer's header"] if without else []
    injected = {fault: counts[fault] for fault in GET_FAULTS if fault in counts}
    injected |= {fault: counts[fault] for fault in ("list_repeat", "list_drop") if counts[fault]}
    figure = (
        f"{bucketful.kind}: {len(wanted) - len(other)} of {len(wanted)} relations and "
        f"{len(found_lake)} lake objects identical after {run} runs; "
        f"{sum(counts.values())} of {asked} answers spoiled"
    )
    return Outcome(not misses, figure, injected, tuple(misses))


class _Vigil:
    """An installation whose raw files and lake lie in buckets behind an address."""

    def __init__(self, folder: Path, bucketful: Bucketful, endpoint: str, lake: str) -> None:
        folder.mkdir()
        self._bucketful, self._lake = bucketful, lake
        self.environment = {
            "VIGIL_DATA_DIR": str(folder / "data"),
            "DAGSTER_HOME": str(folder / "dagster_home"),
            "VIGIL_NODE_DATA": f"s3://{RAW}",
            "PARQUET_S3": f"s3://{lake}",
            "AWS_ENDPOINT_URL": endpoint,
            "AWS_ACCESS_KEY_ID": bucketful.access_key,
            "AWS_SECRET_ACCESS_KEY": bucketful.secret_key,
            "AWS_REGION": REGION,
            "VIGIL_S3_READ_TIMEOUT": str(SILENCE_SECONDS),
        }
        self.installation = Installation(Settings.from_environment(self.environment))

    @contextmanager
    def running(self) -> Iterator[None]:
        with database_ready(self.installation.settings):
            yield

    def backfill(self, *, check: bool = True) -> int:
        done = run_backfill(self.environment)
        if check and done.returncode:
            raise RuntimeError(done.stderr[-2000:])
        if done.returncode:
            print(done.stderr[-1000:], file=sys.stderr)
        return done.returncode

    def lake_digests(self) -> dict[str, str]:
        """Key and SHA-256 of each Parquet object, read past the proxy."""
        bucket, prefix = self._lake.split("/")
        client = self._bucketful.client()
        digests = {}
        for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
            for item in page.get("Contents", ()):
                key = item["Key"]
                if key.endswith(".parquet"):
                    body = client.get_object(Bucket=bucket, Key=key)["Body"].read()
                    digests[key.removeprefix(prefix)] = hashlib.sha256(body).hexdigest()
        return digests


def run_backfill(
    environment: Mapping[str, str], select: str = "+key:trader_daily"
) -> subprocess.CompletedProcess[str]:
    """`vigil backfill` of the world's days in a process of its own."""
    words = ["backfill", str(TINY.first_day), str(_LAST), "--select", select]
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("VIGIL_", "AWS_"))}
    return subprocess.run(
        [sys.executable, "-m", "vigil_cli", *words],
        cwd=PROJECT_ROOT,
        env={**kept, **environment},
        capture_output=True,
        text=True,
    )


# --- single bits, and bodies cut short ---------------------------------------------------------


def altered_bodies(context: Context) -> Outcome:
    """Each answer is altered, at every attempt: none may be taken for the object."""
    bucketful = context.shared.get(moto_bucketful)
    client = bucketful.client()
    client.create_bucket(Bucket="altered")
    chance = context.random
    target = context.folder / "target"
    each = context.count(500)
    accepted: list[str] = []
    injected: Counter[str] = Counter()
    for with_checksum in (True, False):
        content = lz4.frame.compress(chance.randbytes(20_000), content_checksum=with_checksum)
        key = f"checksum-{with_checksum}.lz4"
        client.put_object(Bucket="altered", Key=key, Body=content)
        listed = Listed(key, len(content), hashlib.md5(content, usedforsecurity=False).hexdigest())
        for fault in ("flip", "short"):
            rules = Rules(context.seed, gets=1.0, get_faults=(fault,), remembers=True)
            with fault_proxy(bucketful.endpoint, rules) as proxy:
                store = bucketful.store(proxy.url, "altered")
                for _ in range(each):
                    try:
                        store.download(listed, target)
                        accepted.append(f"{fault} of {key}")
                    except UnreadableObject:
                        pass
                injected[f"{fault}, {'with' if with_checksum else 'without'} checksum"] += (
                    proxy.counts[fault]
                )
    tries = sum(injected.values())
    figure = f"{len(accepted)} of {4 * each} downloads accepted, {tries:,} altered answers"
    return Outcome(not accepted, figure, injected, tuple(accepted))


# --- silence -----------------------------------------------------------------------------------


def eternal_silence(context: Context) -> Outcome:
    """One object's answer never comes, or stops in the middle: the run ends, and names it."""
    bucketful = context.shared.get(moto_bucketful)
    limit = LIMIT_SECONDS
    misses: list[str] = []
    injected: Counter[str] = Counter()
    longest = 0.0
    for fault in ("stall", "midstall"):
        rules = Rules(context.seed, always={bucketful.first_object: fault})
        with fault_proxy(bucketful.endpoint, rules) as proxy:
            folder = context.folder / fault
            vigil = _Vigil(folder, bucketful, proxy.url, "unused")
            vigil.environment["PARQUET_S3"] = str(folder / "lake")
            with vigil.running():
                begun = time.monotonic()
                done = run_backfill(vigil.environment, "key:raw_fills or key:fills_parquet")
                seconds = time.monotonic() - begun
            injected[fault] = proxy.counts[fault]
        longest = max(longest, seconds)
        if done.returncode == 0:
            misses.append(f"{fault}: the run succeeded")
        if bucketful.first_object not in done.stderr:
            misses.append(f"{fault}: the object is not named: {done.stderr[-300:]}")
        if seconds > limit:
            misses.append(f"{fault}: {seconds:.0f} s")
    figure = f"ended after {longest:.0f} s at most, naming the object"
    return Outcome(not misses, figure, injected, tuple(misses))


CAMPAIGNS = (
    Campaign(
        3,
        "s3-spoiled",
        "bytes are proved before they are parsed",
        "50 % of GETs, 10 % of listings, 20 % of PUTs spoiled, of raw files and lake",
        "identical; no wrong byte accepted",
        spoiled_answers,
    ),
    Campaign(
        4,
        "s3-altered",
        "bytes are proved before they are parsed",
        "1,000 single bit flips and 1,000 short bodies, at each attempt, with and without checksum",
        "0 accepted",
        altered_bodies,
    ),
    Campaign(
        14,
        "s3-silent",
        "a dead S3 stops a run loudly",
        "an object's answer never comes, or stops in the middle",
        f"the run ends within {LIMIT_SECONDS} s "
        f"at {SILENCE_SECONDS} s of silence, and names the object",
        eternal_silence,
    ),
)
