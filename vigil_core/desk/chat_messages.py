"""Messages of a Telegram chat: out of an exported file, or of an answer of the Bot API.

A message that was edited counts from its last edit on: its first text is not in the export, and
what was written afterwards could not be known before.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from vigil_core.errors import VigilError


class UnreadableExport(VigilError):
    """A file that is no chat export."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"expected Telegram's JSON export of one chat (result.json): {reason}")


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
    if not isinstance(export.get("id"), int):
        raise UnreadableExport('no chat "id" in it; export one chat, not the whole account')
    chat_id = _chat_id(export["id"], str(export.get("type", "")))
    entries: list[ChatMessage | RejectedMessage] = []
    for number, entry in enumerate(export["messages"], start=1):
        if isinstance(entry, dict) and entry.get("type") == "service":
            continue
        entries.append(_exported(chat_id, number, entry))
    return chat_id, str(export.get("name") or chat_id), entries


def messages_of(updates: list[dict[str, Any]]) -> Iterator[ChatMessage]:
    """The messages and channel posts, new and edited, of the Bot API's `getUpdates`."""
    for update in updates:
        for kind in ("message", "edited_message", "channel_post", "edited_channel_post"):
            if kind in update:
                yield _updated(update[kind])


def _exported(chat_id: str, number: int, entry: Any) -> ChatMessage | RejectedMessage:
    if not isinstance(entry, dict) or not isinstance(entry.get("id"), int):
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


def _updated(message: dict[str, Any]) -> ChatMessage:
    sender = message.get("from") or message.get("sender_chat") or {}
    return ChatMessage(
        chat_id=str(message["chat"]["id"]),
        message_id=message["message_id"],
        posted_at=int(message.get("edit_date") or message["date"]) * 1000,
        author=str(sender.get("username") or sender.get("title") or ""),
        text=str(message.get("text") or message.get("caption") or ""),
    )


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
    parts = [part if isinstance(part, str) else part.get("text") for part in value if part]
    return "".join(parts) if all(isinstance(part, str) for part in parts) else None
