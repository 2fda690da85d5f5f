"""Chats whose messages are signals: exported files, and a bot that reads along.

Every message is kept, with what was read from it or why nothing was. A message gives at most one
signal; brought again it gives no second one.
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import psycopg

from vigil_core.desk.chat_messages import ChatMessage, RejectedMessage, read_export
from vigil_core.desk.chat_signals import ChatSignal, NoSignal, read_message
from vigil_core.storable import storable
from vigil_resources.database.warehouse import Warehouse
from vigil_resources.statements import query


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedChat:
    """What became of a file."""

    chat_id: str
    name: str
    messages: int
    """In the file; those without a moment are rejected, and listed in `imports`."""
    read_as_signals: int
    changed: int
    """Messages that were not known, or otherwise."""
    rejected: int
    new_signals: int
    """0 also where nobody follows the chat."""


class Chats:
    """`chat_messages`, and the signals that stand on them."""

    def __init__(self, warehouse: Warehouse) -> None:
        self._warehouse = warehouse

    def import_export(self, file_name: str, content: bytes, by: str) -> ImportedChat:
        """Take an exported chat; may be repeated, also with a later export of the same chat.

        Raises:
            UnreadableExport: It is no export of one chat.
        """
        chat_id, name, entries = read_export(content)
        messages = [entry for entry in entries if isinstance(entry, ChatMessage)]
        rejected = [
            {"line": entry.number, "reason": entry.reason}
            for entry in entries
            if isinstance(entry, RejectedMessage)
        ]
        record = {
            "kind": "telegram",
            "file_name": file_name,
            "sha256": hashlib.sha256(content).hexdigest(),
            "imported_by": by,
            "rows": len(messages),
            "rejected": json.dumps(rejected),
        }
        with self._warehouse.connect() as connection, connection.transaction():
            changed, read = self._save(connection, messages)
            connection.execute(query("imports/add"), record)
            new = self._add_signals(connection)
        return ImportedChat(
            chat_id=chat_id,
            name=name,
            messages=len(messages),
            read_as_signals=read,
            changed=changed,
            rejected=len(rejected),
            new_signals=new,
        )

    def take(self, messages: Iterable[ChatMessage]) -> int:
        """Take messages as they come; gives how many signals they added."""
        with self._warehouse.connect() as connection, connection.transaction():
            self._save(connection, list(messages))
            return self._add_signals(connection)

    def follow_up(self) -> int:
        """Signals of the messages of chats that are followed by now; gives how many were added."""
        with self._warehouse.connect() as connection, connection.transaction():
            return self._add_signals(connection)

    def _save(self, connection: psycopg.Connection, messages: list[ChatMessage]) -> tuple[int, int]:
        known = {coin.upper(): coin for (coin,) in connection.execute(query("chats/coins"))}
        # The last state of a message is what counts.
        latest = {(message.chat_id, message.message_id): message for message in messages}
        rows = [_row(message, read_message(message.text, known)) for message in latest.values()]
        columns = {name: [row[name] for row in rows] for name in _COLUMNS}
        changed = connection.execute(query("chats/save_messages"), columns).rowcount
        return changed, sum(row["parsed"] is not None for row in rows)

    def _add_signals(self, connection: psycopg.Connection) -> int:
        connection.execute(query("chats/attach"))
        [known_until] = connection.execute(query("chats/known_until")).fetchone() or (0,)
        at = {"known_until": known_until}
        return connection.execute(query("chats/add_signals"), at).rowcount


_COLUMNS = (
    "chat_id",
    "message_id",
    "posted_at",
    "author",
    "text",
    "parsed",
    "confidence",
    "reason",
)


def _row(message: ChatMessage, reading: ChatSignal | NoSignal) -> dict[str, Any]:
    return {
        "chat_id": message.chat_id,
        "message_id": message.message_id,
        "posted_at": message.posted_at,
        "author": storable(message.author),
        "text": storable(message.text),
        "parsed": _as_json(reading) if isinstance(reading, ChatSignal) else None,
        "confidence": reading.confidence if isinstance(reading, ChatSignal) else None,
        "reason": reading.reason if isinstance(reading, NoSignal) else None,
    }


def _as_json(signal: ChatSignal) -> str:
    entry = signal.entry or (None, None)
    said = {
        "action": signal.action,
        "coin": signal.coin,
        "side": signal.side,
        "entry_low": entry[0],
        "entry_high": entry[1],
        "targets": [str(target) for target in signal.targets] or None,
        "stop": signal.stop,
        "leverage": signal.leverage,
        "stated_confidence": signal.stated_confidence,
    }
    return json.dumps({k: v for k, v in said.items() if v is not None}, default=str)
