"""What a real browser lets other sites do, and whether our pages keep their own policy."""

import http.server
import secrets
import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from urllib.parse import urlencode

from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from chaos.api_access import routes
from chaos.api_writes import followed, served_world
from chaos.campaigns import Campaign, Context, Outcome
from chaos.client import Client, an_address, answering
from chaos.installation import Installation, key_of, publish

_QUIET = (
    *("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--disable-quic"),
    # Another site, on this machine.
    "--host-resolver-rules=MAP evil.example 127.0.0.1, MAP rebound.example 127.0.0.1",
)
_TOLD = """
document.addEventListener('securitypolicyviolation', event => console.error(
    'violation ' + event.violatedDirective + ' ' + event.blockedURI));
"""


class NoBrowser(RuntimeError):
    """There is no `chromium` on this machine."""


@contextmanager
def _browser() -> Iterator[Browser]:
    program = shutil.which("chromium")
    if program is None:
        raise NoBrowser("no `chromium` on PATH: the attack needs a real browser")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(_QUIET))
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def _other_site(folder: Path) -> Iterator[int]:
    """A site that is not ours; gives its port."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    folder.mkdir()
    handler = partial(Quiet, directory=str(folder))
    with answering(handler) as port:
        yield port


def _write_attacks(folder: Path, ours: str, number: int) -> list[str]:
    """Pages of another site that act on ours; gives their names."""
    writes = {
        "toggle": (f"/api/traders/{number}/toggle", "text/plain", '{"active": true}'),
        "archive": (f"/manage/{number}/archive", "application/x-www-form-urlencoded", "version=1"),
        "switch": (f"/manage/{number}/switch", "application/x-www-form-urlencoded", "active=true"),
        "add": ("/manage/add", "application/x-www-form-urlencoded", "name=evil&source=manual"),
        "import": ("/manage/imports", "multipart/form-data", "kind=leaderboard"),
        "logout": ("/logout", "application/x-www-form-urlencoded", ""),
        "login": ("/login", "application/x-www-form-urlencoded", "key=evil"),
    }
    names = []
    for name, (path, kind, text) in writes.items():
        fields = "".join(
            f'<input name="{pair.partition("=")[0]}" value="{pair.partition("=")[2]}">'
            for pair in (text.split("&") if "=" in text and kind != "text/plain" else [])
        )
        if kind == "text/plain":
            fields = "<input name='{\"active\": true, \"x' value='\":1}'>"
        form = f'<form method="post" enctype="{kind}" action="{ours}{path}">{fields}</form>'
        submit = "<script>document.forms[0].submit()</script>"
        (folder / f"form-{name}.html").write_text(f"<!doctype html>{form}{submit}")
        fetch = (
            f"<!doctype html><script>for (const mode of ['no-cors', 'cors', 'same-origin'])"
            f" fetch('{ours}{path}', {{method: 'POST', mode, credentials: 'include',"
            f" headers: {{'Content-Type': '{kind if mode_is_simple(kind) else 'text/plain'}'}},"
            f" body: '{text}'}}).catch(() => 0)</script>"
        )
        (folder / f"fetch-{name}.html").write_text(fetch)
        names += [f"form-{name}", f"fetch-{name}"]
    return names


def mode_is_simple(kind: str) -> bool:
    """Whether a browser sends this kind elsewhere without asking first."""
    return kind in {"text/plain", "application/x-www-form-urlencoded", "multipart/form-data"}


def _reads(folder: Path, ours: str) -> None:
    """A page that looks at ours: in frames, as scripts, pictures, and by fetch."""
    (folder / "read.html").write_text(
        f"""<!doctype html><iframe id=f src="{ours}/manage"></iframe>
        <object data="{ours}/manage"></object><embed src="{ours}/traders">
        <script src="{ours}/api/traders"></script><img src="{ours}/api/traders">
        <script>window.got = []; window.ended = 0;
        for (const path of ['/api/traders', '/manage', '/openapi.json'])
          for (const credentials of ['include', 'omit'])
            fetch('{ours}' + path, {{credentials}}).then(a => a.text())
              .then(t => window.got.push(t), () => 0).finally(() => window.ended++);
        const opened = window.open('{ours}/manage');
        // Until it is there, an empty page is, which is nobody's.
        const looking = setInterval(() => {{
          try {{
            if (!opened.closed && opened.location.href === 'about:blank') return;
            window.got.push(opened.document.title);
          }} catch (e) {{}}
          window.ended++; clearInterval(looking);
        }}, 50);
        </script>"""
    )


class _Attack:
    def __init__(self, here: Installation, client: Client, context: BrowserContext) -> None:
        self.here, self.client, self.context = here, client, context
        self.ours = f"http://127.0.0.1:{client.port}"
        self.counts: Counter[str] = Counter()
        self.misses: list[str] = []

    def address(self) -> str:
        """Of nobody before."""
        return an_address(secrets.randbits(64))

    def from_another_site(self, folder: Path, port: int) -> None:
        """With a session of a key that may do everything."""
        trader = followed(self.client, self.address(), f"Of a victim {secrets.token_hex(4)}")
        number = trader["trader_id"]
        before = self._rows()
        for host in ("evil.example", "localhost"):
            for name in _write_attacks(folder, self.ours, number):
                page = self.context.new_page()
                page.goto(f"http://{host}:{port}/{name}.html")
                page.wait_for_timeout(150)
                page.close()
                self.counts["cross-site writes"] += 1
        if self._rows() != before:
            self.misses.append("another site changed something")
        _reads(folder, self.ours)
        for host in ("evil.example", "localhost"):
            page = self.context.new_page()
            page.goto(f"http://{host}:{port}/read.html")
            page.wait_for_function("window.ended === 7")
            self.counts["cross-site reads"] += 10
            got = page.evaluate("window.got")
            if got:
                self.misses.append(f"{host} read {got}")
            for frame in page.frames[1:]:
                if "Of a victim" in frame.content():
                    self.misses.append(f"{host} framed {frame.url}")
                self.counts["frames"] += 1
            page.close()
        for opened in self.context.pages:
            opened.close()

    def by_another_name(self) -> None:
        """DNS that points a foreign name at us."""
        page = self.context.new_page()
        for path in ("/", "/manage", "/api/traders", "/login", "/static/x/app.js"):
            answer = page.goto(f"http://rebound.example:{self.client.port}{path}")
            self.counts["foreign hosts"] += 1
            if answer is None or answer.status != 400:
                self.misses.append(f"{path} answered a foreign name")
        page.close()

    def own_pages(self) -> None:
        """Every page keeps the policy that it is sent with."""
        page = self.context.new_page()
        said: list[str] = []
        page.on("console", lambda message: said.append(message.text)
                if message.type == "error" else None)  # fmt: skip
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: None if request.url.startswith((self.ours, "data:"))
                else said.append(f"asked {request.url}"))  # fmt: skip
        page.add_init_script(_TOLD)
        for path in self._pages():
            self._visit(page, path, said)
        page.close()

    def _pages(self) -> list[str]:
        publish(self.here)
        rows = self.here.rows("SELECT user_address FROM published_traders ORDER BY 1 LIMIT 2")
        addresses = [row[0] for row in rows]
        name = f"<i>Shown</i> {secrets.token_hex(4)}"
        number = followed(self.client, self.address(), name)["trader_id"]
        found = ["/login", f"/compare?{urlencode([('ids', one) for one in addresses])}"]
        for route in routes(self.here):
            inner = ("/api", "/charts", "/parts", "/openapi", "/healthz", "/readyz", "/problems")
            if route.method != "GET" or route.pattern.startswith(inner) or ".csv" in route.pattern:
                continue
            named = {"{id:trader}": str(number), "{which}": addresses[0]}
            path = route.pattern
            for name, value in named.items():
                path = path.replace(name, value)
            if "{" not in path:
                found.append(path)
        return sorted(set(found))

    def _visit(self, page: Page, path: str, said: list[str]) -> None:
        answer = page.goto(self.ours + path)
        page.wait_for_load_state("networkidle")
        self.counts["pages"] += 1
        if answer is None or answer.status != 200:
            self.misses.append(f"{path}: {answer and answer.status}")
        # Markup that gets into a page all the same runs nothing.
        ran = page.evaluate(
            """() => { const inner = document.createElement('script');
            inner.textContent = 'window.ran = 1'; document.body.append(inner);
            return window.ran || 0 }"""
        )
        self.counts["planted scripts"] += 1
        if ran:
            self.misses.append(f"{path} ran a planted script")
        # The browser tells of it in its own time.
        for _ in range(100):
            if any("violation script-src" in text for text in said):
                break
            page.wait_for_timeout(50)
        else:
            self.misses.append(f"{path}: the planted violation was not noticed")
        self.misses += [f"{path}: {text}" for text in _without_planted(said)]
        said.clear()

    def _rows(self) -> list[tuple[object, ...]]:
        return self.here.rows(
            "SELECT (SELECT count(*) FROM traders), (SELECT sum(version) FROM traders),"
            " (SELECT count(*) FROM imports), (SELECT count(*) FROM api_sessions)"
        )


def _without_planted(said: list[str]) -> list[str]:
    return [text for text in said if "script-src" not in text or "'inline'" in text]


def browse(context: Context) -> Outcome:
    """A browser with a session, on our pages and on those of another site."""
    with (
        _other_site(context.folder / "other") as port,
        served_world(context, VIGIL_API_TOKEN="a-token-of-the-campaign") as (here, local),
    ):
        key = key_of(here, "a person", "admin")
        client = Client(local.port, key)
        with _browser() as browser:
            opened = browser.new_context()
            opened.set_default_timeout(60_000)
            page = opened.new_page()
            page.goto(f"http://127.0.0.1:{client.port}/login")
            page.fill("#key", key)
            page.click("button")
            page.close()
            attack = _Attack(here, client, opened)
            if not opened.cookies():
                attack.misses.append("nobody was logged in")
            attack.from_another_site(context.folder / "other", port)
            attack.by_another_name()
            attack.own_pages()
            opened.close()
    counts = attack.counts
    figure = (
        f"{counts['cross-site writes']} writes, {counts['cross-site reads']} reads and "
        f"{counts['frames']} frames of another site, {counts['pages']} pages under their policy: "
        f"{len(attack.misses)} misses"
    )
    return Outcome(not attack.misses, figure, dict(counts), tuple(attack.misses))


CAMPAIGNS = (
    Campaign(
        22,
        "api-browser",
        "Another site can neither act on ours nor read it",
        "in real Chromium with a session: forms and fetches of two other sites, frames, foreign "
        "names; every page under its policy, with a script planted in it",
        "all refused, nothing changed or read; 0 violations but the planted one",
        browse,
    ),
)
