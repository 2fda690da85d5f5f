"""Chats and leaderboards in a database of their own; the Bot API as a server on this machine."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tests.conftest import Installation
from vigil_core.desk.leaderboard import UnreadableLeaderboard
from vigil_core.desk.parameters import BOUNDS
from vigil_resources.desk.chats import Chats
from vigil_resources.desk.leaderboards import Leaderboards
from vigil_resources.desk.telegram import TelegramBot, TelegramFailed

TOKEN = "123:secret-of-the-bot"
CHAT = "-100123"
FOLLOWED_FROM = 1756728000000


@pytest.fixture
def chats(vigil: Installation) -> Chats:
    return Chats(vigil.warehouse)


def follow(vigil: Installation) -> int:
    numbers = {name: bound.default for name, bound in BOUNDS.items() if bound.default is not None}
    columns = ", ".join(numbers)
    values = ", ".join(str(value) for value in numbers.values())
    with vigil.warehouse.connect() as connection:
        [trader_id] = connection.execute(
            f"INSERT INTO traders (name, source, source_ref, followed_from, effective_at,"
            f" created_at, updated_at, updated_by, {columns})"
            f" VALUES ('Signals', 'telegram', %s, %s, %s, 0, 0, 'test', {values})"
            f" RETURNING trader_id",
            [CHAT, FOLLOWED_FROM, FOLLOWED_FROM],
        ).fetchone() or (None,)  # fmt: skip
    assert trader_id is not None
    return trader_id


def export(*messages: tuple[int, int, str]) -> bytes:
    listed = [
        {"id": number, "type": "message", "date_unixtime": str(second), "text": text}
        for number, second, text in messages
    ]
    chat = {"name": "Signals", "type": "private_channel", "id": 123, "messages": listed}
    return json.dumps(chat).encode()


def rows(vigil: Installation, statement: str) -> list[tuple[Any, ...]]:
    with vigil.warehouse.connect(read_only=True) as connection:
        return connection.execute(statement).fetchall()


SIGNALS = (
    "SELECT source_key, action, side, coin, outcome, leverage, confidence FROM signals"
    " ORDER BY leader_time, source_key"
)
START = FOLLOWED_FROM // 1000


def test_every_message_is_kept_and_signals_wait_for_the_tape(
    vigil: Installation, chats: Chats
) -> None:
    content = export(
        (1, START - 60, "LONG #BTC @ 100 TP 110 SL 90 5x"),
        (2, START, "SHORT #ETH confidence 80%"),
        (3, START + 60, "gm"),
        (4, START + 120, "close #ETH"),
        (5, START + 180, "close #SOL"),
    )
    before = chats.import_export("result.json", content, "ann")
    assert (before.messages, before.read_as_signals, before.new_signals) == (5, 4, 0)
    trader_id = follow(vigil)
    assert chats.follow_up() == 4
    assert rows(vigil, SIGNALS) == [
        (f"{CHAT}:1", "open", "buy", "BTC", "before_followed", 5.0, 1.0),
        (f"{CHAT}:2", "open", "sell", "ETH", "pending", None, 0.8),
        (f"{CHAT}:4", "close", "buy", "ETH", "pending", None, 1.0),
        (f"{CHAT}:5", "close", "sell", "SOL", "nothing_open", None, 1.0),
    ]
    kept = rows(vigil, "SELECT message_id, reason, trader_id FROM chat_messages WHERE reason <> ''")
    assert kept == [(3, "no_coin", trader_id)]


def test_the_same_file_changes_nothing_and_a_later_export_adds(
    vigil: Installation, chats: Chats
) -> None:
    follow(vigil)
    first = export((1, START, "LONG #BTC"), (2, START + 1, "lnog #ETH"))
    assert chats.import_export("a.json", first, "ann").new_signals == 1
    again = chats.import_export("a.json", first, "bob")
    assert (again.changed, again.new_signals) == (0, 0)
    assert rows(vigil, "SELECT imported_by FROM imports") == [("ann",)]
    # One was acted on, and stays as it was; the other had been no signal.
    later = export((1, START + 99, "SHORT #BTC"), (2, START + 99, "LONG #ETH"))
    assert chats.import_export("b.json", later, "ann").new_signals == 1
    assert [row[:4] for row in rows(vigil, SIGNALS)] == [
        (f"{CHAT}:1", "open", "buy", "BTC"),
        (f"{CHAT}:2", "open", "buy", "ETH"),
    ]


def test_a_message_is_not_acted_on_before_it_was_brought(vigil: Installation, chats: Chats) -> None:
    follow(vigil)
    with vigil.warehouse.connect() as connection:
        connection.execute(
            "INSERT INTO chat_messages (chat_id, message_id, posted_at, text, imported_at, parsed)"
            ' VALUES (%s, 1, %s, \'\', 0, \'{"action": "open", "coin": "BTC", "side": "long"}\')',
            [CHAT, FOLLOWED_FROM],
        )
    chats.follow_up()
    assert rows(vigil, "SELECT received_at = leader_time FROM signals") == [(True,)]


class Bot(BaseHTTPRequestHandler):
    """Telegram's getUpdates: what is not confirmed comes again."""

    updates: list[dict[str, Any]] = []
    failures: list[int] = []

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.failures:
            self.send_error(self.failures.pop())
            return
        if self.path != f"/bot{TOKEN}/getUpdates":
            self.send_error(401)
            return
        type(self).updates = [u for u in self.updates if u["update_id"] >= asked.get("offset", 0)]
        answer = json.dumps({"ok": True, "result": self.updates[: asked["limit"]]}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def bot_url() -> Iterator[str]:
    Bot.failures = []
    Bot.updates = [
        {
            "update_id": 50 + n,
            "channel_post": {
                "message_id": n,
                "chat": {"id": int(CHAT)},
                "date": START + n,
                "text": text,
            },
        }
        for n, text in enumerate(["LONG #BTC", "hello\0", "close #BTC"])
    ]
    server = ThreadingHTTPServer(("127.0.0.1", 0), Bot)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_bot_reads_along(vigil: Installation, chats: Chats, bot_url: str) -> None:
    follow(vigil)
    bot = TelegramBot(bot_url, TOKEN)
    assert bot.poll(chats, wait_seconds=0) == (3, 2)
    assert bot.poll(chats, wait_seconds=0) == (0, 0)
    assert [row[1] for row in rows(vigil, SIGNALS)] == ["open", "close"]


def test_what_was_not_confirmed_comes_again_and_adds_nothing(
    vigil: Installation, chats: Chats, bot_url: str
) -> None:
    follow(vigil)
    bot = TelegramBot(bot_url, TOKEN)
    updates = list(Bot.updates)
    bot.poll(chats, wait_seconds=0)
    Bot.updates = updates
    assert bot.poll(chats, wait_seconds=0) == (3, 0)


@pytest.mark.parametrize(("status", "is_final"), [(500, False), (429, False), (401, True)])
def test_failures_say_so_without_the_token(
    chats: Chats, bot_url: str, status: int, is_final: bool
) -> None:
    Bot.failures = [status]
    with pytest.raises(TelegramFailed, match=f"HTTP {status}") as failed:
        TelegramBot(bot_url, TOKEN).poll(chats, wait_seconds=0)
    assert failed.value.is_final is is_final
    with pytest.raises(TelegramFailed) as away:
        TelegramBot("http://127.0.0.1:9", TOKEN).poll(chats, wait_seconds=0)
    assert TOKEN not in str(failed.value) + str(away.value)


def test_a_leaderboard_is_taken_once(vigil: Installation) -> None:
    boards = Leaderboards(vigil.warehouse)
    content = f"wallet,pnl\n0x{'AB' * 20},5\nnobody,6\n".encode()
    first = boards.import_file("board.csv", content, "ann")
    assert (first.rows, first.rejected, first.is_new) == (1, 1, True)
    again = boards.import_file("copy.csv", content, "bob")
    assert (again.import_id, again.rows, again.rejected) == (first.import_id, 1, 1)
    assert not again.is_new
    [entry] = boards.entries(first.import_id)
    assert entry["user_address"] == f"0x{'ab' * 20}"
    assert (entry["figures"], entry["trader_id"]) == ({"pnl": "5"}, None)
    assert boards.entries(first.import_id, after=1) == []
    with pytest.raises(UnreadableLeaderboard):
        boards.import_file("x", b"{}", "ann")
