"""The outbox: messages to a webhook and by e-mail, again and again until they have arrived.

What was sent and not yet recorded as such when somebody was killed is sent again, under the same
`Idempotency-Key` (or `Message-ID`): at least once, never lost.
"""

import base64
import hashlib
import hmac
import http.client
import json
import random
import smtplib
import ssl
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.message import EmailMessage
from typing import Any
from urllib.parse import unquote, urlsplit

from vigil_core.errors import VigilError
from vigil_resources.database.warehouse import Warehouse
from vigil_resources.statements import query

TIMEOUT_SECONDS = 10
FIRST_WAIT_MS, LONGEST_WAIT_MS = 5_000, 3_600_000
LOOPBACK = {"localhost", "127.0.0.1", "::1"}


class NotDelivered(VigilError):
    """A message did not arrive; the reason holds no secret."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Targets:
    """Where messages go. None: not there."""

    webhook_url: str | None = field(default=None, repr=False)
    webhook_secret: str | None = field(default=None, repr=False)
    """Signs the body: `X-Vigil-Signature: sha256=…`, HMAC in hex."""
    smtp_url: str | None = field(default=None, repr=False)
    """`smtp://user:password@host:port`, or `smtps://…`."""
    email: str | None = None
    """Who gets alerts. Intents are for programs, and never mailed."""

    @property
    def alert_channels(self) -> tuple[str, ...]:
        """Channels of an alert that fires now."""
        mailed = ("email",) if self.smtp_url and self.email else ()
        return self.intent_channels + mailed

    @property
    def intent_channels(self) -> tuple[str, ...]:
        """Channels of an intent."""
        return ("webhook",) if self.webhook_url else ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A message under way."""

    delivery_id: int
    kind: str
    subject_id: int
    channel: str
    payload: dict[str, Any]
    created_at: int
    attempts: int

    @property
    def key(self) -> str:
        """The same at each attempt, and of no other message."""
        return f"vigil-{self.kind}-{self.subject_id}-{self.created_at}"


class Deliveries:
    """Sends what is due. Any number of processes may: each message is one's at a time."""

    def __init__(self, warehouse: Warehouse, targets: Targets) -> None:
        self._warehouse = warehouse
        self._targets = targets

    def send_due(self, most: int = 20) -> tuple[int, int]:
        """Try each message that is due once, `most` at most; gives those delivered and failed."""
        results = [sent for _, sent in zip(range(most), self._attempts(), strict=False)]
        return sum(results), len(results) - sum(results)

    def _attempts(self) -> Iterator[bool]:
        while (sent := self._send_one()) is not None:
            yield sent

    def _send_one(self) -> bool | None:
        """None: nothing is due."""
        with self._warehouse.connect() as connection, connection.transaction():
            row = connection.execute(query("desk/claim_delivery")).fetchone()
            if row is None:
                return None
            fields = Delivery.__dataclass_fields__
            delivery = Delivery(**dict(zip(fields, row, strict=True)))
            at = {"delivery_id": delivery.delivery_id}
            try:
                self._send(delivery)
            except NotDelivered as error:
                values = at | {"error": str(error), "wait_ms": wait_ms(delivery.attempts)}
                connection.execute(query("desk/postpone_delivery"), values)
                return False
            connection.execute(query("desk/mark_delivered"), at)
            return True

    def _send(self, delivery: Delivery) -> None:
        if delivery.channel == "webhook":
            post(self._targets, delivery)
        else:
            mail(self._targets, delivery)


def wait_ms(attempts: int) -> int:
    """How long to wait after so many failures before: doubled each time, half of it by chance."""
    longest: int = min(FIRST_WAIT_MS * 2 ** min(attempts, 20), LONGEST_WAIT_MS)
    # So that not all come back at once: nobody is kept out by not guessing it.
    return longest // 2 + random.randrange(longest // 2 + 1)  # nosec B311


def post(targets: Targets, delivery: Delivery) -> None:
    """POST the payload as JSON. Any 2xx is an arrival; a redirect is none.

    Raises:
        NotDelivered: No answer in time, or another.
    """
    if targets.webhook_url is None:
        raise NotDelivered("VIGIL_WEBHOOK_URL is not set")
    url = urlsplit(targets.webhook_url)
    body = json.dumps(delivery.payload, sort_keys=True, separators=(",", ":")).encode()
    headers = {
        "Content-Type": "application/json",
        "Idempotency-Key": delivery.key,
        "User-Agent": "vigil",
    }
    if targets.webhook_secret is not None:
        digest = hmac.new(targets.webhook_secret.encode(), body, hashlib.sha256).hexdigest()
        headers["X-Vigil-Signature"] = f"sha256={digest}"
    if url.username is not None:
        login = f"{unquote(url.username)}:{unquote(url.password or '')}"
        headers["Authorization"] = "Basic " + base64.b64encode(login.encode()).decode()
    path = (url.path or "/") + (f"?{url.query}" if url.query else "")
    kind = http.client.HTTPSConnection if url.scheme == "https" else http.client.HTTPConnection
    connection = kind(url.hostname or "", url.port, timeout=TIMEOUT_SECONDS)
    try:
        connection.request("POST", path, body, headers)
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        raise NotDelivered(_without_secrets(error)) from error
    finally:
        connection.close()
    if not 200 <= status < 300:
        raise NotDelivered(f"HTTP {status}")


def mail(targets: Targets, delivery: Delivery) -> None:
    """Hand the message to the mail server. A password never leaves in the clear, but to this host.

    Raises:
        NotDelivered: The server did not take it.
    """
    if targets.smtp_url is None or targets.email is None:
        raise NotDelivered("VIGIL_SMTP_URL or VIGIL_ALERT_EMAIL is not set")
    url = urlsplit(targets.smtp_url)
    host = url.hostname or ""
    try:
        context = ssl.create_default_context()
        if url.scheme == "smtps":
            server: smtplib.SMTP = smtplib.SMTP_SSL(
                host, url.port or 465, timeout=TIMEOUT_SECONDS, context=context
            )
        else:
            server = smtplib.SMTP(host, url.port or 587, timeout=TIMEOUT_SECONDS)
        with server:
            server.ehlo()
            if url.scheme == "smtp" and server.has_extn("starttls"):
                server.starttls(context=context)
                server.ehlo()
            elif url.scheme == "smtp" and url.username and host not in LOOPBACK:
                raise NotDelivered("the mail server offers no TLS, and a password is to be sent")
            if url.username:
                server.login(unquote(url.username), unquote(url.password or ""))
            server.send_message(_message(targets.email, unquote(url.username or ""), delivery))
    except (OSError, smtplib.SMTPException) as error:
        raise NotDelivered(_without_secrets(error)) from error


def _message(to: str, user: str, delivery: Delivery) -> EmailMessage:
    told = delivery.payload
    message = EmailMessage()
    message["To"] = to
    message["From"] = user if "@" in user else to
    message["Message-ID"] = f"<{delivery.key}@vigil.invalid>"
    message["Subject"] = f"Vigil: {told['rule']} for {_one_line(told['name'])}"
    lines = [f"{name}: {value}" for name, value in told.items()]
    message.set_content("\n".join(lines) + "\n")
    return message


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _without_secrets(error: Exception) -> str:
    """What failed, by kind and code: a server's own words may repeat what it was told."""
    code = getattr(error, "smtp_code", None) or getattr(error, "errno", None)
    return type(error).__name__ + (f" {code}" if code else "")
