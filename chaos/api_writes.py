"""Writes of many at once: none is lost, and none that is repeated has two effects."""

import json
import secrets
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from chaos.campaigns import Campaign, Context, Outcome
from chaos.client import Answer, Client, an_address
from chaos.installation import Installation, served, small_world

WRITERS = 50


@contextmanager
def served_world(context: Context, **given: str) -> Iterator[tuple[Installation, Client]]:
    """The small world, and who speaks to its API."""
    here = context.shared.get(small_world)
    with served(here, context.folder / "api.out", **given) as server:
        yield here, Client(server.port)


def followed(client: Client, address: str, name: str) -> dict[str, Any]:
    """A trader who is followed now."""
    body = {"user_address": address, "name": name}
    answer = client("POST", "/api/traders", body, headers={"Idempotency-Key": address})
    assert answer.status == 201, answer
    return dict(answer.body)


# --- 17: edits --------------------------------------------------------------------------------


@dataclass
class _Edits:
    """What the writers saw."""

    accepted: dict[int, dict[str, Any]] = field(default_factory=dict)
    """By the version that each made: what it set."""
    statuses: Counter[int] = field(default_factory=Counter)
    misses: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, answer: Answer, wanted: dict[str, Any]) -> None:
        """Count an answer."""
        with self.lock:
            self.statuses[answer.status] += 1
            if answer.status == 200:
                version = answer.body["version"]
                if version in self.accepted:
                    self.misses.append(f"version {version} was given twice")
                self.accepted[version] = wanted
            elif answer.status != 412:
                self.misses.append(f"{answer.status} {answer.text[:200]}")


def edit_at_once(context: Context) -> Outcome:
    """Many writers of one trader, each by the version that it read last."""
    writers, each = context.count(WRITERS, 6), context.count(200, 10)
    with served_world(context) as (here, client):
        address = an_address(context.random.getrandbits(64))
        trader = followed(client, address, f"Everybody's {address[-6:]}")
        number, seen = trader["trader_id"], _Edits()
        barrier = threading.Barrier(writers)

        def write(writer: int) -> None:
            tag, barrier_passed = f'"{number}-1"', barrier.wait(60)
            assert barrier_passed >= 0
            for n in range(each):
                path, wanted = _edit(writer, n, number)
                answer = client("PUT", path, wanted, headers={"If-Match": tag})
                seen.note(answer, wanted)
                tag = answer.headers.get("etag", tag)

        with ThreadPoolExecutor(writers) as pool:
            list(pool.map(write, range(writers)))
        last = client.get(f"/api/traders/{number}").body
        rows = here.rows(
            "SELECT version, settings FROM trader_settings_history WHERE trader_id = %s",
            [number],
        )
    history = dict(rows)
    misses = seen.misses
    for version, wanted in seen.accepted.items():
        kept = history.get(version, {})
        misses += [
            f"version {version}: {name} is {kept.get(name)!r}, not {value!r}"
            for name, value in wanted.items()
            if _plain(kept.get(name)) != _plain(value)
        ]
    accepted, refused = seen.statuses[200], seen.statuses[412]
    if last["version"] != accepted + 1 or len(history) != accepted + 1:
        misses.append(f"version {last['version']}, {len(history)} kept, {accepted} accepted")
    figure = (
        f"version {last['version']} after {accepted:,} accepted and {refused:,} refused, "
        f"{len(misses)} lost"
    )
    injected = {"edits": accepted + refused, "edits of an old version": refused}
    return Outcome(not misses, figure, injected, tuple(misses))


def _edit(writer: int, n: int, number: int) -> tuple[str, dict[str, Any]]:
    where = f"/api/traders/{number}"
    if n % 3 == 2:
        coins = {"token_whitelist": [f"W{writer}", f"N{n}"], "token_blacklist": []}
        return f"{where}/tokens", coins
    if n % 3 == 1:
        return f"{where}/alerts", {"win_rate_min_trades": 1 + (writer * 7 + n) % 99}
    return f"{where}/multiplier", {"position_multiplier": 0.5 + (writer * 200 + n) % 150 / 100}


def _plain(value: Any) -> Any:
    return round(float(value), 9) if isinstance(value, int | float) else value


# --- 18: repeats ------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Post:
    """A request that makes something, and how often it was made."""

    path: str
    body: dict[str, Any]
    key: str
    made: str
    """A statement that counts what it made."""
    values: list[Any]


def repeat_posts(context: Context) -> Outcome:
    """POSTs sent again: after the answer, at the same time, after the connection was cut."""
    total = context.count(1000, 24)
    counts: Counter[str] = Counter()
    misses: list[str] = []
    with served_world(context) as (here, client):
        address = an_address(context.random.getrandbits(64))
        source = followed(client, address, f"Source {address[-6:]}")
        posts = [_post(context, n, source["trader_id"]) for n in range(total)]
        ways = ("at the same time", "after the answer", "at the same time", "after a cut")
        for way in dict.fromkeys(ways):
            mine = [post for n, post in enumerate(posts) if ways[n % 4] == way]
            send = {
                "at the same time": _twins,
                "after the answer": _one_after_the_other,
                "after a cut": _after_a_cut,
            }[way]
            for post, answers in zip(mine, send(client, mine), strict=True):
                counts[f"repeated {way}"] += 1
                misses += _wrong(post, answers)
        for post in posts:
            made = here.rows(post.made, post.values)[0][0]
            if made != 1:
                misses.append(f"{made} effects of {post.path} {post.key}")
        # The outcome of a key that comes with another body is a refusal, whatever was before.
        for post in posts[:20]:
            other = client("POST", post.path, {**post.body, "name": "x"}, headers=_named(post))
            counts["other body"] += 1
            if other.status not in {409, 422}:
                misses.append(f"{other.status} for another body under {post.key}")
    figure = f"{total:,} POSTs, each sent 2 to 4 times: {len(misses)} with another effect or answer"
    return Outcome(not misses, figure, dict(counts), tuple(misses))


def _post(context: Context, n: int, source: int) -> _Post:
    key = f"chaos-{context.random.getrandbits(64):x}-{n}"
    match n % 4:
        case 0 | 1:
            address = an_address(context.random.getrandbits(64))
            body: dict[str, Any] = {"user_address": address, "name": key}
            count = "SELECT count(*) FROM traders WHERE user_address = %s"
            return _Post("/api/traders", body, key, count, [address])
        case 2:
            address = an_address(context.random.getrandbits(64))
            body = {"user_address": address, "name": key}
            count = "SELECT count(*) FROM traders WHERE user_address = %s"
            return _Post(f"/api/traders/{source}/duplicate", body, key, count, [address])
        case _:
            body = {
                "trader": source,
                "action": "open",
                "side": "buy",
                "coin": "BTC",
                "leader_time": "2025-09-02T12:00:00.000Z",
                "leader_px": "100000",
            }
            count = "SELECT count(*) FROM signals WHERE source_key = %s"
            return _Post("/api/signals", body, key, count, [key])


def _named(post: _Post) -> dict[str, str]:
    return {"Idempotency-Key": post.key}


def _sent(client: Client, post: _Post) -> Answer:
    return client("POST", post.path, post.body, headers=_named(post))


def _twins(client: Client, posts: list[_Post]) -> Iterator[list[Answer]]:
    twins = 4
    barrier = threading.Barrier(twins)

    def send(post: _Post) -> Answer:
        barrier.wait(60)
        return _sent(client, post)

    with ThreadPoolExecutor(twins) as pool:
        for post in posts:
            yield list(pool.map(send, [post] * twins))


def _one_after_the_other(client: Client, posts: list[_Post]) -> Iterator[list[Answer]]:
    for post in posts:
        yield [_sent(client, post), _sent(client, post)]


def _after_a_cut(client: Client, posts: list[_Post]) -> Iterator[list[Answer]]:
    """The first is sent, and nobody waits for its answer."""
    for post in posts:
        data = json.dumps(post.body).encode()
        head = (
            f"POST {post.path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
            f"Idempotency-Key: {post.key}\r\nContent-Length: {len(data)}\r\n\r\n"
        )
        with socket.create_connection(("127.0.0.1", client.port), timeout=10) as line:
            line.sendall(head.encode() + data)
        yield [_sent(client, post), _sent(client, post)]


def _wrong(post: _Post, answers: list[Answer]) -> list[str]:
    """What is not as it must be: all answers one, and at most one of them the first."""
    found = []
    if {answer.status for answer in answers} != {201}:
        found.append(f"{post.path}: {[(a.status, a.text[:120]) for a in answers]}")
    elif len({answer.content for answer in answers}) != 1:
        found.append(f"{post.path}: the answers differ")
    firsts = [answer for answer in answers if "idempotent-replay" not in answer.headers]
    if len(firsts) > 1:
        found.append(f"{post.path}: {len(firsts)} were told to be the first")
    return found


# --- 17 and 18: what contradicts itself --------------------------------------------------------


_DEEDS: tuple[tuple[str, str, dict[str, Any] | None], ...] = (
    ("POST", "/archive", None),
    ("DELETE", "", None),
    ("POST", "/promote", None),
    ("POST", "/toggle", {"active": True}),
    ("POST", "/toggle", None),
    ("PUT", "/multiplier", {"position_multiplier": 1.5}),
    ("POST", "/duplicate", None),
    ("POST", "/duplicate", None),
)


def _do(client: Client, deed: tuple[str, str, dict[str, Any] | None]) -> Answer:
    method, path, body = deed
    key = {"Idempotency-Key": secrets.token_hex(8)} if path.endswith("duplicate") else {}
    return client(method, path, body, headers={"If-Match": "*", **key})


def contradict(context: Context) -> Outcome:
    """Changes of one trader that exclude one another, at the same time, over and over."""
    rounds = context.count(60, 4)
    statuses: Counter[int] = Counter()
    misses: list[str] = []
    with served_world(context) as (here, client):
        for turn in range(rounds):
            address = an_address(context.random.getrandbits(64))
            number = followed(client, address, f"Torn {turn} {address[-6:]}")["trader_id"]
            deeds = [(method, f"/api/traders/{number}{end}", body) for method, end, body in _DEEDS]
            context.random.shuffle(deeds)
            with ThreadPoolExecutor(len(deeds)) as pool:
                answers = list(pool.map(partial(_do, client), deeds))
            statuses.update(answer.status for answer in answers)
            misses += [f"{a.status} {a.text[:200]}" for a in answers if a.status >= 500]
            ((state, active, version, kept),) = here.rows(
                "SELECT state, active, version, (SELECT count(*) FROM trader_settings_history AS h"
                " WHERE h.trader_id = t.trader_id) FROM traders AS t WHERE trader_id = %s",
                [number],
            )
            if (state, active, kept) != ("archived", False, version):
                misses.append(f"trader {number}: {state}, {active}, {kept} of {version} versions")
    done, refused = statuses[200] + statuses[201] + statuses[204], statuses[409] + statuses[412]
    figure = f"{rounds} traders torn eight ways: {len(misses)} errors or contradictory rows"
    injected = {"changes": done, "refused conflicts": refused}
    return Outcome(not misses, figure, injected, tuple(misses))


CAMPAIGNS = (
    Campaign(
        17,
        "api-edits",
        "An answered write is kept",
        "50 writers × 200 edits of one trader by If-Match",
        "version = number of 200s + 1, every accepted edit in the history, nothing lost",
        edit_at_once,
    ),
    Campaign(
        18,
        "api-repeats",
        "An unanswered write can be repeated",
        "1,000 POSTs repeated, half at the same time, a quarter after a cut connection",
        "one effect and one answer each",
        repeat_posts,
    ),
    Campaign(
        25,
        "api-contradictions",
        "No two changes leave a row that contradicts itself",
        "60 traders archived, promoted, switched, edited and duplicated at the same time",
        "no 5xx, archived and off in the end, every version in the history",
        contradict,
    ),
)
