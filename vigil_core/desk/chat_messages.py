"""Messages of a Telegram chat: out of an exported file, or of an answer of the Bot API.

A message that was edited counts from its last edit on: its first text is not in the export, and
what was written afterwards could not be known before.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeGuard

from vigil_core.errors import VigilError
from vigil_core.storable import storable

_LATEST = 10**11
"""Seconds since the epoch, of eleven digits."""


class UnreadableExport(VigilError):
    """A file that is no chat export."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"expected Telegram's JSON export of one chat (result.json): {reason}")


class UnreadableUpdate(VigilError):
    """What the Bot API gave is no update as it is documented."""

    def __init__(self, update: object, reason: str) -> None:
        super().__init__(f"an update that is none: {reason} in {ascii(update)[:200]}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatMessage:
    """One message as it was last seen."""

    chat_id: str
    """As the Bot API writes it: channels and supergroups begin with -100."""
    message_id: int
    posted_at: int
    """ms UTC, of the message or of its last edit."""
    author: str
    text: str


@dataclass(frozen=True, slots=True)
class RejectedMessage:
    """An entry that is no message, and where it stands."""

    number: int
    """Counted from 1 within the file's list."""
    reason: str


def read_export(content: bytes) -> tuple[str, str, list[ChatMessage | RejectedMessage]]:
    """Chat id, its name, and each entry of an export; service entries (joins, pins) are left out.

    Raises:
        UnreadableExport: It is not JSON, or not of one chat.
    """
    try:
        # Numbers as they stand; no message needs a float.
        export = json.loads(content, parse_float=str)
    except (ValueError, RecursionError) as error:
        raise UnreadableExport(str(error)) from error
    if not isinstance(export, dict) or not isinstance(export.get("messages"), list):
        raise UnreadableExport('no list "messages" in it')
    if not _is_id(export.get("id")):
        raise UnreadableExport('no chat "id" in it; export one chat, not the whole account')
    chat_id = _chat_id(export["id"], str(export.get("type", "")))
    entries: list[ChatMessage | RejectedMessage] = []
    for number, entry in enumerate(export["messages"], start=1):
        if isinstance(entry, dict) and entry.get("type") == "service":
            continue
        entries.append(_exported(chat_id, number, entry))
    name = export.get("name")
    return chat_id, storable(name) if name and isinstance(name, str) else chat_id, entries


def messages_of(updates: Any) -> Iterator[ChatMessage]:
    """The messages and channel posts, new and edited, of the Bot API's `getUpdates`.

    Raises:
        UnreadableUpdate: They are not as documented.
    """
    if not isinstance(updates, list):
        raise UnreadableUpdate(updates, "no list")
    for update in updates:
        if not isinstance(update, dict) or not _is_id(update.get("update_id")):
            raise UnreadableUpdate(update, "no update_id")
        for kind in ("message", "edited_message", "channel_post", "edited_channel_post"):
            if kind in update:
                yield _updated(update[kind])


def _exported(chat_id: str, number: int, entry: Any) -> ChatMessage | RejectedMessage:
    if not isinstance(entry, dict) or not _is_id(entry.get("id")):
        return RejectedMessage(number, "no message id")
    moment = entry.get("edited_unixtime") or entry.get("date_unixtime")
    if not (isinstance(moment, str) and moment.isdecimal() and len(moment) <= 11):
        # The other date of an export is in the exporter's own time zone, which it does not name.
        return RejectedMessage(number, "no date_unixtime")
    text = _text(entry.get("text", ""))
    if text is None:
        return RejectedMessage(number, "text is no text")
    return ChatMessage(
        chat_id=chat_id,
        message_id=entry["id"],
        posted_at=int(moment) * 1000,
        author=str(entry.get("from") or ""),
        text=text,
    )


def _updated(message: Any) -> ChatMessage:
    if not isinstance(message, dict):
        raise UnreadableUpdate(message, "no message")
    chat = message.get("chat")
    if not isinstance(chat, dict) or not _is_id(chat.get("id")):
        raise UnreadableUpdate(message, "no chat")
    if not _is_id(message.get("message_id")):
        raise UnreadableUpdate(message, "no message_id")
    moment = message.get("edit_date") or message.get("date")
    if not _is_id(moment) or not 0 <= moment < _LATEST:
        raise UnreadableUpdate(message, "no date")
    sender = message.get("from") or message.get("sender_chat")
    named = sender if isinstance(sender, dict) else {}
    return ChatMessage(
        chat_id=str(chat["id"]),
        message_id=message["message_id"],
        posted_at=moment * 1000,
        author=str(named.get("username") or named.get("title") or ""),
        text=str(message.get("text") or message.get("caption") or ""),
    )


def _is_id(value: Any) -> TypeGuard[int]:
    """Whether it is a whole number that a database holds."""
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63


def _chat_id(number: int, kind: str) -> str:
    if kind.endswith(("channel", "supergroup")):
        return f"-100{number}"
    return f"-{number}" if kind.endswith("group") else str(number)


def _text(value: Any) -> str | None:
    """Text, or a list of texts and of objects that have one (links, bold)."""
    if isinstance(value, str):
        return value
    if not isinstance(value, list):
        return None
    parts: list[Any] = [
        part.get("text") if isinstance(part, dict) else part for part in value if part
    ]
    return "".join(parts) if all(isinstance(part, str) for part in parts) else None
