import json
from typing import Any

import pytest

from vigil_core.desk.chat_messages import (
    ChatMessage,
    RejectedMessage,
    UnreadableExport,
    UnreadableUpdate,
    messages_of,
    read_export,
)


def export(*messages: Any, kind: str = "private_channel", chat: Any = 123) -> bytes:
    return json.dumps({"name": "Signals", "type": kind, "id": chat, "messages": messages}).encode()


def message(number: int, text: Any, **more: Any) -> dict[str, Any]:
    return {
        "id": number,
        "type": "message",
        "date": "2025-09-01T12:00:00",
        "date_unixtime": "1756728000",
        "from": "Ann",
        "text": text,
    } | more


def test_text_with_links_and_bold_is_one_text() -> None:
    parts = ["LONG ", {"type": "hashtag", "text": "#BTC"}, " now"]
    chat_id, name, [found] = read_export(export(message(7, parts)))
    assert (chat_id, name) == ("-100123", "Signals")
    assert found == ChatMessage(
        chat_id="-100123", message_id=7, posted_at=1756728000000, author="Ann", text="LONG #BTC now"
    )


@pytest.mark.parametrize(
    ("kind", "chat_id"),
    [("public_supergroup", "-100123"), ("private_group", "-123"), ("personal_chat", "123")],
)
def test_chat_ids_are_the_bots(kind: str, chat_id: str) -> None:
    assert read_export(export(kind=kind))[0] == chat_id


def test_an_edited_message_counts_from_its_edit_on() -> None:
    [found] = read_export(export(message(1, "LONG #BTC", edited_unixtime="1756800000")))[2]
    assert isinstance(found, ChatMessage)
    assert found.posted_at == 1756800000000


def test_what_is_no_message_is_rejected_with_its_place() -> None:
    service = {"id": 1, "type": "service", "action": "pin_message"}
    local = message(3, "x")
    del local["date_unixtime"]
    entries = read_export(export(service, {"type": "message"}, local, message(4, 5), "?"))[2]
    assert entries == [
        RejectedMessage(2, "no message id"),
        RejectedMessage(3, "no date_unixtime"),
        RejectedMessage(4, "text is no text"),
        RejectedMessage(5, "no message id"),
    ]


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"messages": []}', b"\xff", b"[" * 99999])
def test_other_files_are_refused(content: bytes) -> None:
    with pytest.raises(UnreadableExport):
        read_export(content)


def test_updates_of_the_bot_api() -> None:
    chat = {"id": -100123, "type": "channel", "title": "Signals"}
    updates = [
        {"update_id": 1, "channel_post": {"message_id": 5, "chat": chat, "sender_chat": chat,
                                          "date": 1756728000, "text": "LONG #BTC"}},
        {"update_id": 2, "edited_channel_post": {"message_id": 5, "chat": chat, "date": 1756728000,
                                                 "edit_date": 1756728060, "caption": "LONG #ETH"}},
        {"update_id": 3, "my_chat_member": {}},
    ]  # fmt: skip
    first, second = messages_of(updates)
    assert (first.author, first.text, first.posted_at) == ("Signals", "LONG #BTC", 1756728000000)
    assert (second.message_id, second.text, second.posted_at) == (5, "LONG #ETH", 1756728060000)


@pytest.mark.parametrize("text", [[5], [True], [["x"]], [{"text": 5}]])
def test_a_text_of_other_parts_is_rejected(text: Any) -> None:
    assert read_export(export(message(1, text)))[2] == [RejectedMessage(1, "text is no text")]


@pytest.mark.parametrize("number", [2**63, -(2**63), 10**30, True, 1.5, "7", None])
def test_an_id_that_no_database_holds_is_none(number: Any) -> None:
    assert read_export(export(message(number, "x")))[2] == [RejectedMessage(1, "no message id")]
    with pytest.raises(UnreadableExport):
        read_export(export(chat=number))


def test_a_name_with_half_a_pair_can_be_shown() -> None:
    content = export().replace(b'"Signals"', b'"a\\ud800"')
    assert read_export(content)[1] == "a\ufffd"


@pytest.mark.parametrize(
    "updates",
    [
        None,
        {},
        [7],
        [{}],
        [{"update_id": "1"}],
        [{"update_id": 1, "message": 5}],
        [{"update_id": 1, "message": {"message_id": 1, "date": 5}}],
        [{"update_id": 1, "message": {"message_id": 1, "date": 5, "chat": [1]}}],
        [{"update_id": 1, "message": {"message_id": 2**63, "date": 5, "chat": {"id": 1}}}],
        [{"update_id": 1, "message": {"message_id": 1, "chat": {"id": 1}}}],
        [{"update_id": 1, "message": {"message_id": 1, "date": 10**11, "chat": {"id": 1}}}],
    ],
)
def test_what_is_no_update_is_named(updates: Any) -> None:
    with pytest.raises(UnreadableUpdate):
        list(messages_of(updates))


def test_a_sender_of_another_shape_is_nobody() -> None:
    chat = {"id": 1}
    update = {"message_id": 1, "date": 5, "chat": chat, "from": 7, "text": "x"}
    [found] = messages_of([{"update_id": 1, "message": update}])
    assert (found.author, found.text) == ("", "x")
