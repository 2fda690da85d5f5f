"""Who may do what: every route by every kind of caller."""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from urllib.parse import urlencode

from fastapi.routing import iter_route_contexts

from chaos.api_writes import served_world
from chaos.campaigns import Campaign, Context, Outcome
from chaos.client import Answer, Client, an_address
from chaos.installation import Installation, key_of, revoke
from vigil_api.app import create_routes

TOKEN = "a-token-of-the-campaign-6b1d"
OPEN_TO_ALL = {"/openapi.json", "/healthz", "/readyz", "/problems/{kind}", "/login", "/logout"}
"""What needs no key even from elsewhere, beside `/static`."""
_ADDRESS = an_address(1)
_FILLED = {
    "{id}": _ADDRESS,
    "{id:trader}": _ADDRESS,
    "{which}": _ADDRESS,
    "{address}": _ADDRESS,
    "{day}": "2025-09-01",
    "{number}": "999999",
    "{kind}": "invalid",
}
_NUMBERED = {"/api/backtests/{id}", "/api/alerts/{id}/acknowledge", "/api/intents/{id}/acknowledge"}


@dataclass(frozen=True)
class Route:
    """A method of a path, and an address that it takes."""

    method: str
    pattern: str

    @property
    def path(self) -> str:
        """With somebody who is not followed in place of parameters."""
        if self.pattern in _NUMBERED:
            return self.pattern.replace("{id}", "999999")
        return re.sub(r"\{[\w:]+\}", lambda found: _FILLED[found[0]], self.pattern)

    @property
    def writes(self) -> bool:
        """Whether the scope `manage` is needed."""
        return self.method not in {"GET", "HEAD"}


def routes(here: Installation) -> list[Route]:
    """All of an application, those of pages too; files that are the same for all left out."""
    found = {
        Route(method, str(route.path))
        for route in iter_route_contexts(create_routes(here.settings).routes)
        for method in (route.methods or set()) - {"HEAD"}
        if not str(route.path).startswith("/static")
    }
    return sorted(found, key=lambda route: (route.pattern, route.method))


def _described(client: Client) -> set[tuple[str, str]]:
    paths = client.get("/openapi.json").body["paths"]
    return {(method.upper(), path) for path, methods in paths.items() for method in methods}


@dataclass
class _Callers:
    """Every kind of caller, as headers."""

    good: dict[str, dict[str, str]] = field(default_factory=dict)
    """By scope and way: what is let in."""
    bad: dict[str, dict[str, str]] = field(default_factory=dict)
    """What is refused as no key."""

    def all(self) -> Iterable[tuple[str, dict[str, str]]]:
        """Names and headers."""
        return [*self.good.items(), *self.bad.items()]


def _callers(here: Installation, client: Client) -> _Callers:
    keys = {scope: key_of(here, f"a {scope}", scope) for scope in ("read", "manage", "admin")}
    expired = key_of(here, "expired", "admin", valid_ms=-1)
    revoked = key_of(here, "revoked", "admin")
    session_of_revoked = _session(client, revoked)
    revoke(here, revoked)
    admin = keys["admin"]
    bearer = {
        "expired key": expired,
        "revoked key": revoked,
        "wrong secret": admin[:-1] + ("A" if admin[-1] != "A" else "B"),
        "secret of another": f"{keys['read'][:13]}{admin[13:]}",
        "secret alone": admin.split("_", 2)[2],
        "digest": "0" * 64,
        "nonsense": "x",
        "nothing": "",
        "wrong token": TOKEN[:-1] + "e",
    }
    callers = _Callers(bad={name: {"Authorization": f"Bearer {k}"} for name, k in bearer.items()})
    callers.bad |= {
        "basic": {"Authorization": f"Basic {admin}"},
        "session of a revoked key": {"Cookie": session_of_revoked, "Via": "1.1 proxy"},
        "session made up": {"Cookie": "vigil_session=" + "A" * 43, "Via": "1.1 proxy"},
        "session is a key": {"Cookie": f"vigil_session={admin}", "Via": "1.1 proxy"},
    }
    # From elsewhere nobody comes in without a key, whatever a proxy calls where that is.
    for name in ("X-Forwarded-For", "Forwarded", "X-Real-IP", "Via", "X-Forwarded-Host"):
        callers.bad[f"nobody, {name}"] = {name: "127.0.0.1"}
    callers.good["token"] = {"Authorization": f"Bearer {TOKEN}"}
    for scope, key in keys.items():
        callers.good[scope] = {"Authorization": f"Bearer {key}"}
        callers.good[f"{scope} from elsewhere"] = callers.good[scope] | {"Via": "1.1 proxy"}
        callers.good[f"{scope} session"] = {"Cookie": _session(client, key)}
    callers.good["local"] = {}
    return callers


def _session(client: Client, key: str) -> str:
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    entered = client("POST", "/login", raw=urlencode({"key": key}).encode(), headers=kind)
    return entered.headers["set-cookie"].partition(";")[0]


def _expected(route: Route, caller: str, callers: _Callers) -> set[int]:
    """Statuses that a caller must get; empty: any but 401, 403 and 5xx."""
    if route.pattern in OPEN_TO_ALL:
        return set()
    if caller in callers.bad:
        return {401}
    if route.writes and caller.startswith("read"):
        return {403}
    if route.writes and caller == "local":
        # VIGIL_API_TOKEN is set: who is here may read.
        return {401}
    return set()


def ask_by_everybody(context: Context) -> Outcome:
    """Each route by each kind of caller."""
    misses: list[str] = []
    counts: Counter[str] = Counter()
    with served_world(context, VIGIL_API_TOKEN=TOKEN) as (here, client):
        callers = _callers(here, client)
        found = routes(here)
        listed = {(route.method, route.pattern.replace(":trader", "")) for route in found}
        misses += [f"described, and not asked: {one}" for one in _described(client) - listed]
        for route in found:
            for name, headers in callers.all():
                # It is asked for a session, and ends it: nobody's table shall be cut short.
                if route.pattern == "/logout":
                    continue
                answer = client(route.method, route.path, headers=headers)
                counts["bad credentials" if name in callers.bad else "good credentials"] += 1
                if _is_wrong(answer, _expected(route, name, callers)):
                    misses.append(f"{route.method} {route.path} by {name}: {answer.status}")
    figure = (
        f"{len(found)} routes × {len(list(callers.all()))} kinds of caller, {len(misses)} wrong"
    )
    return Outcome(not misses, figure, dict(counts), tuple(misses))


def _is_wrong(answer: Answer, expected: set[int]) -> bool:
    if expected:
        return answer.status not in expected
    return answer.status in {401, 403} or answer.status >= 500


CAMPAIGNS = (
    Campaign(
        20,
        "api-access",
        "Nobody does what his key does not let him",
        "every route and page × no, wrong, expired, revoked, borrowed, made-up keys and sessions,"
        " by way of a proxy too, and each scope",
        "the table of the description, complete; 0 wrong",
        ask_by_everybody,
    ),
)
