"""Odd requests: what HTTP leaves open, what browsers are made to do, what is echoed."""

import json
import random
import re
import threading
from collections import Counter
from collections.abc import Callable
from urllib.parse import quote, urlencode

from chaos.api_access import routes
from chaos.api_writes import followed, served_world
from chaos.campaigns import Campaign, Context, Outcome
from chaos.client import Client, an_address, spoken, status_of
from chaos.installation import Installation, key_of, revoke
from vigil_api.gate import HEADERS

_HOST = b"Host: 127.0.0.1\r\n"
_FORM = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "text/html"}
_GET = b"GET /healthz HTTP/1.1\r\n" + _HOST
_HIDDEN = b"GET /smuggled HTTP/1.1\r\n" + _HOST + b"\r\n"


def _shapes() -> dict[str, bytes]:
    """Requests whose end, or whose meaning, two readers could see differently."""
    post = b"POST /healthz HTTP/1.1\r\n" + _HOST
    both = b"Content-Length: %d\r\n" % len(_HIDDEN)
    chunked = b"Transfer-Encoding: chunked\r\n"
    return {
        "length and chunks": post + both + chunked + b"\r\n0\r\n\r\n" + _HIDDEN,
        "chunks and length": post + chunked + both + b"\r\n0\r\n\r\n" + _HIDDEN,
        "two lengths": post + both + b"Content-Length: 0\r\n\r\n" + _HIDDEN,
        "length list": post + b"Content-Length: 0, 40\r\n\r\n" + _HIDDEN,
        "signed length": post + b"Content-Length: +0\r\n\r\n" + _HIDDEN,
        "negative length": post + b"Content-Length: -1\r\n\r\n" + _HIDDEN,
        "hex length": post + b"Content-Length: 0x10\r\n\r\n" + _HIDDEN,
        "huge length": post + b"Content-Length: " + b"9" * 30 + b"\r\n\r\n" + _HIDDEN,
        "blank before colon": post + b"Content-Length : 0\r\n\r\n" + _HIDDEN,
        "odd coding": post + b"Transfer-Encoding: xchunked\r\n\r\n" + _HIDDEN,
        "chunked twice": post + chunked + b"Transfer-Encoding: identity\r\n\r\n0\r\n\r\n" + _HIDDEN,
        "chunked in tabs": post + b"Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n" + _HIDDEN,
        "bad chunk size": post + chunked + b"\r\n-1\r\n\r\n" + _HIDDEN,
        "huge chunk size": post + chunked + b"\r\n" + b"f" * 20 + b"\r\n" + _HIDDEN,
        "folded header": _GET + b"X: a\r\n b\r\n\r\n" + _HIDDEN,
        "bare newline": b"GET /healthz HTTP/1.1\nHost: 127.0.0.1\n\n" + _HIDDEN,
        "bare return": b"GET /healthz HTTP/1.1\r" + _HOST + b"\r\n" + _HIDDEN,
        "NUL in header": _GET + b"X: a\0b\r\n\r\n" + _HIDDEN,
        "no host": b"GET /healthz HTTP/1.1\r\n\r\n",
        "two hosts": _GET + b"Host: evil.example\r\n\r\n",
        "absolute address": b"GET http://x/healthz HTTP/1.1\r\nHost: evil.example\r\n\r\n",
        "authority": b"CONNECT 127.0.0.1:5432 HTTP/1.1\r\n" + _HOST + b"\r\n",
        "asterisk": b"GET * HTTP/1.1\r\n" + _HOST + b"\r\n",
        "old version": b"GET /healthz HTTP/0.9\r\n\r\n",
        "no version": b"GET /healthz\r\n\r\n",
        "http 2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "tls": bytes.fromhex("160301020001000200fc0303") + b"\0" * 100,
        "unknown method": b"FOO /healthz HTTP/1.1\r\n" + _HOST + b"\r\n",
        "path not ASCII": "GET /tráders HTTP/1.1\r\n".encode() + _HOST + b"\r\n",
        "websocket": _GET + b"Connection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: "
        b"dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
        "h2c": _GET + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
        b"HTTP2-Settings: AAMAAABk\r\n\r\n",
        "expect": post + b"Expect: 100-continue\r\nContent-Length: 1\r\n\r\nx",
    }  # fmt: skip


_HIDES = {"length and chunks", "chunks and length", "two lengths", "length list", "signed length",
          "negative length", "hex length", "huge length", "blank before colon", "odd coding",
          "chunked twice", "chunked in tabs", "bad chunk size", "huge chunk size",
          "NUL in header", "bare return"}  # fmt: skip
"""Of which nothing may be carried out that stands behind them: the connection ends."""


class _Attack:
    """Counts, and what was seen."""

    def __init__(self, here: Installation, client: Client, drawn: random.Random) -> None:
        self.random = drawn
        self.here = here
        self.client = client
        self.counts: Counter[str] = Counter()
        self.misses: list[str] = []

    def smuggle(self) -> None:
        """Every shape; nothing hidden behind one is carried out."""
        for name, text in _shapes().items():
            heard = spoken(self.client.port, text, seconds=6, close=True)
            self.counts["shapes of requests"] += 1
            status = status_of(heard)
            if status >= 500 or b"Traceback" in heard or status == 101:
                self.misses.append(f"{name}: {status}")
            if name in _HIDES and b"/smuggled" in heard:
                self.misses.append(f"{name}: the request behind it was answered")
            if name in {"no host", "two hosts", "absolute address"} and status == 200:
                self.misses.append(f"{name}: answered")

    def override(self) -> None:
        """Methods and paths that only a header names."""
        address = an_address(self.random.getrandbits(64))
        number = followed(self.client, address, f"Overridden {address[-6:]}")["trader_id"]
        where = f"/api/traders/{number}"
        for name in ("X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"):
            for method in ("GET", "POST"):
                self.counts["overrides"] += 1
                self.client(method, where, headers={name: "DELETE", "If-Match": "*"})
                self.client(method, f"{where}?_method=DELETE", headers={"If-Match": "*"})
        for name in ("X-Original-URL", "X-Rewrite-URL", "X-Forwarded-Prefix"):
            self.counts["overrides"] += 1
            answer = self.client("GET", "/healthz", headers={name: f"{where}/archive"})
            if answer.status not in {200, 401}:
                self.misses.append(f"{name}: {answer.status}")
        for method in ("HEAD", "OPTIONS"):
            self.client(method, f"{where}/archive", headers={"If-Match": "*"})
        if self.client.get(where).body["state"] == "archived":
            self.misses.append("archived by a header")

    def echo(self) -> None:
        """Names that are markup, formulas, header lines: they come back as text."""
        names = (
            "<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "{{7919*7}}",
            "${7919*7}",
            "'-alert(1)-'", "javascript:alert(1)", "</title><svg onload=alert(1)>",
            "=1+1", "@SUM(1)",
            "\u202egnp.exe", "a%0d%0aSet-Cookie: x=1", "&lt;b&gt;", "]]><!--", "\u2028x",
            "%3Cscript%3E", "Ａ<ｓcript>", "{% raw %}", "__proto__",
        )  # fmt: skip
        for text in names:
            name = f"{text} {self.random.getrandbits(32):x}"
            address = an_address(self.random.getrandbits(64))
            trader = followed(self.client, address, name)
            self.counts["hostile names"] += 1
            number = trader["trader_id"]
            self.client("POST", f"/api/traders/{number}/toggle", {"active": True})
            if trader["name"] != name:
                self.misses.append(f"{name!r} became {trader['name']!r}")
            for path in (
                f"/manage/{number}",
                f"/manage/{number}/archive",
                f"/manage/{number}/signals",
            ):
                self._look(path, name)
        self._look("/manage", "all names")
        self._look("/manage?view=table", "all names")
        odd = quote('"><script>alert(1)</script>')
        for route in routes(self.here):
            if route.method == "GET" and "{" not in route.pattern:
                for key in ("q", "coin", "sort", "ids", "view", "span", "window", "class", "x"):
                    self.counts["hostile addresses"] += 1
                    self._look(f"{route.pattern}?{key}={odd}", "address")
        for odd_path in (f"/traders/{odd}", f"/{odd}", "/%0d%0aSet-Cookie:%20x=1", "//evil.example",
                         "/\\evil.example", "/login?next=https://evil.example", "/%2e%2e/etc",
                         "/manage?add=%0d%0aLocation:%20https://evil.example",
                         "/static/x/..%2f..%2f..%2fapp.py", "/static/x/%00",
                         "/static/../app.py"):  # fmt: skip
            self.counts["hostile addresses"] += 1
            answer = self._look(odd_path, "path")
            if "evil.example" in answer.get("location", "") and not answer["location"].startswith(
                ("/manage", "/traders")
            ):
                self.misses.append(f"{odd_path} sends to {answer['location']}")
            if "x=1" in answer.get("set-cookie", ""):
                self.misses.append(f"{odd_path} sets a cookie")

    def _look(self, path: str, what: str) -> dict[str, str]:
        answer = self.client("GET", path, headers={"Accept": "text/html"})
        if answer.status >= 500:
            self.misses.append(f"{answer.status} {path} ({what}): {answer.text[:200]}")
        if answer.headers.get("content-type", "").startswith("text/html"):
            for found in re.findall(r"<script>alert|<img src=x|<svg onload|55433", answer.text):
                self.misses.append(f"{path} ({what}): {found}")
        for name, value in HEADERS.items():
            if answer.headers.get(name.lower()) != value:
                self.misses.append(f"{path}: without {name}")
        return dict(answer.headers)

    def log_in(self) -> None:
        """Sessions: not fixed by others, not more than the key, gone with it."""
        key = key_of(self.here, "a browser", "manage")
        planted = "vigil_session=" + "p" * 43
        entered = self.client(
            "POST",
            "/login",
            raw=urlencode({"key": key}).encode(),
            headers=_FORM | {"Cookie": planted},
        )
        session = entered.headers.get("set-cookie", "").partition(";")[0]
        self.counts["sessions"] += 1
        proxied = {"Via": "1.1 proxy"}
        if session in {"", planted}:
            self.misses.append(f"the session is {session!r}")
        if self.client("GET", "/api/traders", headers=proxied | {"Cookie": planted}).status != 401:
            self.misses.append("a planted session was adopted")
        hostile = ["\0", "vgl_\0\0\0\0\0\0\0\0_" + "A" * 43, "vgl_abcdefgh_" + "\0" * 43,
                   "vgl_ÄÖÜäöüßé_" + "A" * 43, "vgl_\ud7ff\uffff______" + "_" + "A" * 43,
                   key + "\0",
                   "x" * 10_000, ""]  # fmt: skip
        for text in hostile:
            self.counts["hostile keys"] += 1
            answer = self.client(
                "POST", "/login", raw=urlencode({"key": text}).encode(), headers=_FORM
            )
            if answer.status not in {401, 422, 413, 303} or (
                answer.status == 303 and text.strip("\0 ") != key
            ):
                self.misses.append(f"key {text[:20]!r}: {answer.status}")
        for raw in (b"key=%00", b"key=%ff%fe", b"key=vgl_%00%00%00%00%00%00%00%00_" + b"A" * 43,
                    b"key=vgl_%ed%a0%80aaaaa_" + b"A" * 43, b"\xff=\xff", b"key"):  # fmt: skip
            self.counts["hostile keys"] += 1
            answer = self.client("POST", "/login", raw=raw, headers=_FORM)
            if answer.status not in {401, 422, 400}:
                self.misses.append(f"{raw!r}: {answer.status}")

    def upload(self) -> None:
        """Files whose names, kinds and parts are hostile."""
        edge = b"----edge"
        for name in (b"a\0b.csv", b"\xff\xfe.csv", b"../../etc/passwd", b"x" * 5000, b'a";x="b',
                     b"",
                     b"<script>.csv", b"a\r\nX: y"):  # fmt: skip
            for kind in (b"leaderboard", b"telegram", b"\0", b"\xff"):
                self.counts["hostile uploads"] += 1
                body = (
                    b"--%s\r\nContent-Disposition: form-data; name=\"kind\"\r\n\r\n%s\r\n"
                    b"--%s\r\nContent-Disposition: form-data; name=\"file\"; "
                    b"filename=\"%s\"\r\n\r\n"
                    b"address,x\n0x%s,\0\xff\n\r\n--%s--\r\n"
                ) % (edge, kind, edge, name, b"ab" * 20, edge)  # fmt: skip
                headers = {"Content-Type": "multipart/form-data; boundary=" + edge.decode()}
                answer = self.client("POST", "/manage/imports", raw=body, headers=headers)
                if answer.status >= 500:
                    self.misses.append(f"{answer.status} upload {name[:30]!r} as {kind!r}")

    def revoke_meanwhile(self, rounds: int) -> None:
        """A key that is revoked while it is used: what begins afterwards is refused."""
        for turn in range(rounds):
            key = key_of(self.here, f"short {turn}", "manage")
            mine = Client(self.client.port, key)
            gone, late = threading.Event(), list[int]()

            def use(
                mine: Client = mine, gone: threading.Event = gone, late: list[int] = late
            ) -> None:
                for _ in range(400):
                    begins_after = gone.is_set()
                    status = mine("GET", "/api/traders?limit=1").status
                    if begins_after:
                        late.append(status)
                        if len(late) > 5:
                            return

            threads = [threading.Thread(target=use) for _ in range(4)]
            for thread in threads:
                thread.start()
            revoke(self.here, key)
            gone.set()
            for thread in threads:
                thread.join()
            self.counts["keys revoked in use"] += 1
            if set(late) != {401}:
                self.misses.append(f"after its revocation: {Counter(late)}")

    def contradict_types(self) -> None:
        """Values of JSON that other parsers read otherwise."""
        address = an_address(self.random.getrandbits(64))
        trader = followed(self.client, address, f"Typed {address[-6:]}")
        where = f"/api/traders/{trader['trader_id']}/multiplier"
        values = ["NaN", "Infinity", "-Infinity", "1e400", "-0", "9" * 5000, "1" + "0" * 400,
                  "true",
                  "null", '"1"', "[1]", "{}", "1.0000000000000000000000001", "0x1", "1_0", "01",
                  '"\\ud800"', '"\\u0000"', "1e-400", "١"]  # fmt: skip
        for value in values:
            self.counts["odd values"] += 1
            raw = f'{{"position_multiplier": {value}}}'.encode()
            answer = self.client("PUT", where, raw=raw, headers={"If-Match": "*"})
            if answer.status >= 500:
                self.misses.append(f"{value[:20]}: {answer.status} {answer.text[:150]}")
            elif answer.status == 200:
                json.loads(answer.text, parse_constant=_refuse_constant)
        bodies = [b"", b"\xff\xfe{}", b"\xef\xbb\xbf{}", b'{"a":1}{"a":2}', b"[" * 30_000, b'"' * 9,
                  b'{"position_multiplier":1,"position_multiplier":"x"}', b"\0",
                  b"{" * 60_000]  # fmt: skip
        for raw in bodies:
            self.counts["odd bodies"] += 1
            answer = self.client("PUT", where, raw=raw, headers={"If-Match": "*"})
            if not 400 <= answer.status < 500:
                self.misses.append(f"{raw[:20]!r}: {answer.status}")


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} was answered")


def ask_oddly(context: Context) -> Outcome:
    """All of it, one after the other."""
    with served_world(context) as (here, client):
        attack = _Attack(here, client, context.random)
        parts: list[Callable[[], None]] = [
            attack.smuggle,
            attack.override,
            attack.echo,
            attack.log_in,
            attack.upload,
            attack.contradict_types,
            lambda: attack.revoke_meanwhile(context.count(10, 2)),
        ]
        for part in parts:
            part()
        said = (context.folder / "api.out").read_text()
    if "Traceback" in said:
        attack.misses.append(f"a trace on the terminal: {said[-1500:]}")
    figure = f"{sum(attack.counts.values()):,} odd requests, {len(attack.misses)} misses"
    return Outcome(not attack.misses, figure, dict(attack.counts), tuple(attack.misses))


CAMPAIGNS = (
    Campaign(
        26,
        "api-wire",
        "What is odd is refused, and what is echoed is text",
        "smuggling shapes, method overrides, markup and header lines in names, paths and files, "
        "planted sessions, keys revoked in use, values that parsers read differently",
        "no 5xx, nothing hidden carried out, nothing echoed as markup, no trace",
        ask_oddly,
    ),
)
