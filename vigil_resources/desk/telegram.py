"""Telegram's Bot API: what was posted in the chats that a bot was added to."""

import json
import urllib.error
import urllib.request
from http.client import HTTPException
from typing import Any

from vigil_core.desk.chat_messages import UnreadableUpdate, messages_of
from vigil_core.errors import VigilError
from vigil_resources.desk.chats import Chats

MOST_UPDATES = 100
WAIT_SECONDS = 20
"""How long Telegram keeps a question open that it has no answer to yet."""


class TelegramFailed(VigilError):
    """The Bot API refused or did not answer. The token is in no message."""

    def __init__(self, method: str, reason: str, *, is_final: bool = False) -> None:
        self.is_final = is_final
        """Asking again would not help: the token is wrong, or another program polls this bot."""
        super().__init__(f"Telegram's {method} failed: {reason}")


class TelegramBot:
    """One bot.

    Args:
        url: Root of the Bot API.
        token: As BotFather gives it; appears in no error and no log.
    """

    def __init__(self, url: str, token: str) -> None:
        self._url = f"{url.rstrip('/')}/bot{token}"
        self._token = token

    def poll(self, chats: Chats, *, wait_seconds: int = WAIT_SECONDS) -> tuple[int, int]:
        """Take what was posted since the last poll; gives updates and signals.

        Updates are confirmed after they are stored: killed in between, they come again and
        change nothing.

        Raises:
            TelegramFailed: The Bot API refused, did not answer, or gave what are no updates.
        """
        updates = self._call("getUpdates", limit=MOST_UPDATES, timeout=wait_seconds)
        if not updates:
            return 0, 0
        try:
            signals = chats.take(messages_of(updates))
        except UnreadableUpdate as error:
            raise TelegramFailed("getUpdates", str(error)) from None
        newest = max(update["update_id"] for update in updates)
        self._call("getUpdates", offset=newest + 1, limit=1, timeout=0)
        return len(updates), signals

    def _call(self, method: str, **parameters: int) -> Any:
        try:
            request = urllib.request.Request(
                f"{self._url}/{method}",
                data=json.dumps(parameters).encode(),
                headers={"Content-Type": "application/json"},
            )
            # The address is of the settings: who writes those may read files anyway.
            wait = WAIT_SECONDS + 10
            with urllib.request.urlopen(request, timeout=wait) as answer:  # nosec B310
                body = json.load(answer)
        except urllib.error.HTTPError as error:
            is_final = error.code in {401, 404, 409}
            raise TelegramFailed(method, f"HTTP {error.code}", is_final=is_final) from None
        except OSError as error:
            raise TelegramFailed(method, str(error).replace(self._token, "…")) from None
        except (HTTPException, ValueError) as error:
            # Several of them quote the address, which holds the token.
            raise TelegramFailed(method, type(error).__name__) from None
        if not isinstance(body, dict) or not body.get("ok"):
            raise TelegramFailed(method, "the answer is not ok")
        return body.get("result")
