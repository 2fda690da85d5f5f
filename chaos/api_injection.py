"""Text from outside never becomes SQL: the database itself tells which statements it saw."""

import base64
import inspect
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin
from urllib.parse import quote, quote_from_bytes

from fastapi.params import Query
from fastapi.routing import iter_route_contexts

from chaos.api_access import routes
from chaos.api_writes import followed
from chaos.campaigns import Campaign, Context, Outcome
from chaos.client import Answer, Client, an_address
from chaos.installation import Installation, served, small_world
from vigil_api.app import create_routes
from vigil_resources.statements import SQL_ROOT
from vigil_resources.wiring import embedded_postgres

MOST_SECONDS = 8.0
"""An answer that took longer may have slept."""
_SCHEMA = "chaos_statements"

# --- what is sent -------------------------------------------------------------------------------

_HEADS = ("", "'", '"', "0", "x'", "\\", "\\'", ")", "')", "$$", "1 ", "\u02bc", "\uff07", "'/*")
_BODIES = (
    "; DROP TABLE traders", " OR 1=1", " UNION SELECT secret_sha256 FROM api_keys",
    "||pg_sleep(9)", ";SELECT pg_sleep(9)", " AND (SELECT 1 FROM pg_sleep(9)) IS NULL",
    ";COPY traders TO PROGRAM 'true'", ",set_config('role','vigil',false)", "%(limit)s", "%s",
    "{key}", "{}", "$1", "::int", "/**/", " -- ", "\n;SELECT 1", "E'\\x27'", "U&'\\0027'",
    "; SET ROLE vigil", " INTO OUTFILE '/tmp/x'", "\0", "\ud7ff\uffff", "%", "`id`", "$(id)",
    " ORDER BY 99", " LIMIT 1 OFFSET (SELECT count(*) FROM api_keys)", "')) OR (('a'='a",
    "xmlparse(document '<a/>')", "lo_import('/etc/passwd')", "pg_read_file('PG_VERSION')",
    "chr(39)", "9" * 400, "-1", "1e400", "NaN", "null",
)  # fmt: skip
_TAILS = ("", "--", "'--", ";")
_BYTES = (
    b"%c0%a7 OR 1=1", b"%bf%27 OR 1=1--", b"%e0%80%a7", b"%ff%fe", b"%ed%a0%80", b"%00' OR 1=1",
    b"%2527 OR 1=1", b"%u0027", b"%f0%9f%98%80'", b"%80", b"%fe%27", b"%5c%27;SELECT 1",
)  # fmt: skip
"""Percent-encodings that are no UTF-8, or not only once."""


def hostile(context: Context, many: int) -> list[str]:
    """So many, already percent-encoded."""
    texts = [f"{head}{body}{tail}" for head in _HEADS for body in _BODIES for tail in _TAILS]
    chosen = context.random.sample(texts, many - len(_BYTES))
    return [quote(text, safe="") for text in chosen] + [quote_from_bytes(b, "%") for b in _BYTES]


def _cursors(texts: Iterable[str]) -> Iterator[str]:
    """Forged ones: of every list, with a hostile key; and the text itself."""
    lists = ("traders by priority", "traders by name", "coins of None", "backtests", "alerts")
    for n, text in enumerate(texts):
        keys: list[Any] = [[text], [text, 1], [1, text], [{"$ne": text}], [1e308, text], [2**64, 1]]
        key = json.dumps([lists[n % len(lists)], *keys[n % len(keys)]]).encode()
        yield base64.urlsafe_b64encode(key).decode().rstrip("=")


@dataclass(frozen=True)
class _Place:
    """Where a text goes in a request."""

    path: str
    name: str
    kind: str
    """query, path, header, cookie, json, form."""
    method: str = "GET"


def _places(here: Installation, client: Client, number: int) -> list[_Place]:
    paths = client.get("/openapi.json").body["paths"]
    filled = {route.pattern.replace(":trader", ""): route.path for route in routes(here)}
    found = []
    for path, methods in paths.items():
        at = filled[path].replace(an_address(1), str(number))
        for parameter in methods.get("get", {}).get("parameters", []):
            if parameter["in"] == "query" and parameter["schema"].get("type") != "boolean":
                found.append(_Place(at, parameter["name"], "query"))
            elif parameter["in"] == "path":
                found.append(_Place(path, parameter["name"], "path"))
    for route in iter_route_contexts(create_routes(here.settings).routes):
        pattern = str(route.path).replace(":trader", "")
        if pattern not in paths and "GET" in (route.methods or ()) and pattern in filled:
            at = filled[pattern].replace(an_address(1), str(number))
            found += [_Place(at, name, "query") for name in _queries(route.endpoint)]
            found += [_Place(pattern, name, "path") for name in re.findall(r"\{(\w+)\}", pattern)]
    where = f"/api/traders/{number}"
    found += [_Place(where, name, "header") for name in ("If-None-Match", "Authorization")]
    found += [_Place("/traders", name, "header") for name in ("Accept", "HX-Request", "Host")]
    found += [_Place("/manage", name, "cookie") for name in ("vigil_session", "theme")]
    found += [_Place(f"{where}/archive", "If-Match", "header", "POST")]
    found += [_Place("/api/traders", name, "json", "POST") for name in ("name", "note")]
    found += [_Place("/api/traders", "Idempotency-Key", "header", "POST")]
    found += [_Place(f"{where}/tokens", "token_whitelist", "json", "PUT")]
    found += [_Place("/login", "key", "form", "POST")]
    found += [_Place("/manage/add", name, "form", "POST") for name in ("name", "source", "coins")]
    found += [_Place("/backtests", name, "form", "POST") for name in ("traders", "label", "start")]
    return found


def _queries(endpoint: Any) -> Iterator[str]:
    """Names of what a page takes from its address."""
    for parameter in inspect.signature(endpoint).parameters.values():
        if get_origin(parameter.annotation) is Annotated:
            for said in get_args(parameter.annotation)[1:]:
                if isinstance(said, Query):
                    yield said.alias or parameter.name


def _send(client: Client, place: _Place, text: str) -> Answer:
    path, headers, raw = place.path, dict[str, str](), None
    # A header holds no line ends, and Latin-1 only.
    plain = re.sub(r"%(0[0-9A-F]|[89A-F][0-9A-F])", "?", text, flags=re.I).replace("%27", "'")
    match place.kind:
        case "query":
            path += f"?{place.name}={text}"
        case "path":
            path = path.replace("{" + place.name + "}", text)
            path = re.sub(r"\{\w+\}", "2025-09-01", path)
        case "header":
            headers[place.name] = plain
        case "cookie":
            headers["Cookie"] = f"{place.name}={plain}"
        case "form":
            raw = f"{place.name}={text}&state=paper&priority=1".encode()
            headers["Content-Type"] = "application/x-www-form-urlencoded"
            headers["Accept"] = "text/html"
        case "json":
            value: Any = [text] if place.name == "token_whitelist" else text
            raw = json.dumps({"name": "x", "user_address": None, place.name: value}).encode()
            headers |= {"Content-Type": "application/json", "If-Match": "*"}
    if place.method == "POST" and place.name != "Idempotency-Key":
        headers["Idempotency-Key"] = str(abs(hash((place, text))))
    return client(place.method, path, raw=raw, headers=headers)


# --- what the database saw ----------------------------------------------------------------------

_OF_CONNECTIONS = re.compile(
    r"|BEGIN( READ ONLY)?|COMMIT|ROLLBACK|RESET ROLE|SET LOCAL ROLE \"vigil_\w+\""
    r"|(RELEASE |ROLLBACK TO )?(SAVEPOINT )?\"?_pg3_\w+\"?|SHOW data_directory"
)


def _plain(statement: str) -> str:
    """Without comments, values and spacing: as two writings of one statement agree."""
    text = re.sub(r"--[^\n]*|/\*.*?\*/", " ", statement, flags=re.S)
    text = re.sub(r"%\(\w+\)s|\$\d+|[eE]?'(?:[^']|'')*'|\b\d+(?:\.\d+)?\b", "?", text)
    text = re.sub(r"\b(?:true|false|null)\b", "?", text, flags=re.I).replace("%%", "%")
    text = re.sub(r"\?(?:\s*,\s*\?)+", "?", text)
    return re.sub(r"\s*([(),])\s*", r"\1", re.sub(r"\s+", " ", text)).strip(" ;")


@cache
def _ours() -> re.Pattern[str]:
    """Every statement under `sql/`; where a part is filled in, names and directions only."""
    part = r'(?:[\w".<>?]+|(?:"\w+" = \?(?:,\s*)?)+)'
    texts = {_plain(path.read_text()) for path in (SQL_ROOT / "queries").rglob("*.sql")}
    return re.compile(
        "|".join(re.sub(r"\\\{\w+\\\}", lambda _: part, re.escape(text)) for text in texts)
    )


def unknown(statements: Iterable[str]) -> list[str]:
    """Those that are neither of `sql/` nor a connection's own."""
    return [
        text
        for text in statements
        if not _OF_CONNECTIONS.fullmatch(_plain(text)) and not _ours().fullmatch(_plain(text))
    ]


@contextmanager
def statements_known(here: Installation) -> Iterator[None]:
    """Let the server remember statements; it is started anew for that."""
    server = embedded_postgres(here.settings)
    conf = Path(here.settings.data_dir / "postgres" / "cluster" / "postgresql.conf")
    before = conf.read_text()
    conf.write_text(
        f"{before}\nshared_preload_libraries = 'pg_stat_statements'\n"
        "pg_stat_statements.max = 10000\n"
    )
    server.stop()
    server.start()
    here.rows(f"CREATE SCHEMA {_SCHEMA}")
    here.rows(f"CREATE EXTENSION pg_stat_statements SCHEMA {_SCHEMA}")
    try:
        yield
    finally:
        here.rows("DROP EXTENSION pg_stat_statements")
        here.rows(f"DROP SCHEMA {_SCHEMA}")
        conf.write_text(before)
        server.stop()
        server.start()


def _seen(here: Installation) -> list[str]:
    statement = (
        # A name of our own; nothing of what was sent.
        f"SELECT query FROM {_SCHEMA}.pg_stat_statements"  # nosec B608 # as said above
        " JOIN pg_database AS d ON d.oid = dbid"
        f" WHERE d.datname = current_database() AND query NOT LIKE '%{_SCHEMA}%'"
    )
    return [str(query) for (query,) in here.rows(statement)]


def inject(context: Context) -> Outcome:
    """Every hostile text in every place."""
    many = context.count(500, 30)
    misses: list[str] = []
    counts: Counter[str] = Counter()
    here = context.shared.get(small_world)
    texts = hostile(context, many)
    tables = "SELECT count(*) FROM pg_class WHERE relkind IN ('r', 'p', 'v', 'S')"
    with statements_known(here), served(here, context.folder / "api.out") as server:
        client = Client(server.port)
        address = an_address(context.random.getrandbits(64))
        number = followed(client, address, f"O'Brien {address[-6:]} --")["trader_id"]
        places = _places(here, client, number)
        before = here.rows(tables)
        here.rows(f"SELECT {_SCHEMA}.pg_stat_statements_reset()")

        def attack(place: _Place) -> list[tuple[str, Answer]]:
            sent = list(_cursors(texts)) if place.name == "cursor" else texts
            # A page costs ten times as much as a route.
            step = 1 if place.path.startswith("/api") else 5
            return [(text, _send(client, place, text)) for text in [*sent[::step], *texts[:5]]]

        with ThreadPoolExecutor(4) as pool:
            for place, answers in zip(places, pool.map(attack, places), strict=True):
                counts["hostile texts"] += len(answers)
                counts[f"in {place.kind}"] += len(answers)
                for text, answer in answers:
                    said = f"{place.method} {place.path} {place.kind} {place.name}={text[:60]}"
                    if answer.status >= 500:
                        misses.append(f"{answer.status} {said}: {answer.text[:200]}")
                    if answer.seconds > MOST_SECONDS:
                        misses.append(f"{answer.seconds:.1f} s {said}")
                    # A page shows its usual order instead.
                    is_strict = place.path.startswith("/api") and place.name in {"sort", "cursor"}
                    if is_strict and answer.status == 200:
                        misses.append(f"200 {said}")
        # What was kept of the texts is read back, and found again.
        for path in ("/traders", "/manage", "/manage?view=table", f"/api/traders/{number}/history"):
            if client.get(path).status != 200:
                misses.append(f"{path} afterwards")
        seen = _seen(here)
        here.rows("SELECT 'planted' AS chaos_planted, count(*) FROM traders")
        planted = unknown(_seen(here))
        after = here.rows(tables)
    strange = unknown(seen)
    misses += [f"no statement of sql/: {text[:300]}" for text in strange]
    if not any("chaos_planted" in text for text in planted):
        misses.append("the planted statement was not noticed")
    if after != before:
        misses.append(f"{before} relations before, {after} afterwards")
    counts["planted statements"] = 1
    figure = (
        f"{counts['hostile texts']:,} requests at {len(places)} places, {len(seen)} kinds of "
        f"statement, {len(strange)} not of sql/; {len(misses)} misses"
    )
    return Outcome(not misses and len(seen) > 20, figure, dict(counts), tuple(misses))


CAMPAIGNS = (
    Campaign(
        19,
        "api-injection",
        "Text from outside never becomes SQL",
        "500 hostile texts in every parameter, path, cursor, sort, header, cookie, body and form",
        "the database knows statements of sql/ only, a planted one is noticed; no 5xx, no sleep",
        inject,
    ),
)
