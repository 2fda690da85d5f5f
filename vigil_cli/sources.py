"""Where traders are found: exported leaderboards and chats, and a bot that reads along."""

import getpass
import time
from pathlib import Path

from vigil_cli.ready import database_ready
from vigil_cli.say import say
from vigil_resources.desk.telegram import WAIT_SECONDS, TelegramFailed
from vigil_resources.settings import Settings
from vigil_resources.wiring import open_chats, open_leaderboards, open_telegram_bot

FIRST_PAUSE, LONGEST_PAUSE = 1, 300
"""Seconds between attempts while Telegram does not answer."""


def import_leaderboard(settings: Settings, file: Path) -> None:
    """Take an exported leaderboard, and say what became of its lines."""
    with database_ready(settings):
        done = open_leaderboards(settings).import_file(
            file.name, file.read_bytes(), getpass.getuser()
        )
    note = "" if done.is_new else " (imported before; nothing changed)"
    print(f"import {done.import_id}: {done.rows} traders, {done.rejected} lines rejected{note}")


def import_chat(settings: Settings, file: Path) -> None:
    """Take an exported chat, and say what was read from it."""
    with database_ready(settings):
        done = open_chats(settings).import_export(file.name, file.read_bytes(), getpass.getuser())
    print(
        f"{done.name} ({done.chat_id}): {done.messages} messages, {done.changed} new or changed, "
        f"{done.read_as_signals} read as signals, {done.new_signals} signals added, "
        f"{done.rejected} entries rejected"
    )


def telegram_poll(settings: Settings, *, once: bool) -> None:
    """Read along until Ctrl-C, or once."""
    bot = open_telegram_bot(settings)
    with database_ready(settings):
        chats = open_chats(settings)
        pause = FIRST_PAUSE
        while True:
            try:
                updates, signals = bot.poll(chats, wait_seconds=0 if once else WAIT_SECONDS)
            except TelegramFailed as error:
                if once or error.is_final:
                    raise
                say(settings, f"{error}; again in {pause} s")
                time.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE)
                continue
            pause = FIRST_PAUSE
            if updates:
                say(settings, f"{updates} messages, {signals} signals")
            elif once:
                return
