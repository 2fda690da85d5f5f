"""The user's own AWS Lambda: posts JSON to one address of the exchange, and to nothing else.

Standard library only, one file. The address is fixed when the function is deployed
(`VIGIL_INFO_URL`): an event that names another one is refused, whatever it resembles.

An event is one of

    {"action": "address"}
    {"action": "post", "url": …, "body": …, "egress_address": …}

and is answered with `egress_address`, and for a post with the `status` and `body` that came back;
or with `refused`, and why; or with `moved`, where the event expects another egress address than
this instance has. Nothing is sent to the exchange then: the caller keeps a budget for each address.
"""

import json
import os
import urllib.request
from http.client import HTTPException
from ipaddress import ip_address

ADDRESS_URL = "https://checkip.amazonaws.com/"
"""AWS's own service: says from which address it is asked. A function cannot see that otherwise."""

LARGEST_REQUEST = 16_384
LARGEST_ANSWER = 4_000_000
"""Bytes. AWS lets 6 MB of JSON out."""

TIMEOUT_S = 20.0
CHECK_TIMEOUT_S = 5.0

_known_address: list[str] = []
"""Of this instance, once it is known; an instance keeps its address."""


class Refused(Exception):
    """The event asks for what this function does not do."""


def handler(event, context):  # noqa: ANN001, ANN201, ARG001
    """Entry point of the function."""
    try:
        return _answer(event)
    except Refused as error:
        return {"refused": str(error)}
    except (OSError, HTTPException) as error:
        # The caller tries again; the exchange may have been asked.
        return {"failed": f"{type(error).__name__}: {error}", "egress_address": _address_so_far()}


def _answer(event: object) -> dict:
    if not isinstance(event, dict):
        raise Refused("the event is no object")
    action = event.get("action")
    if action == "address":
        return {"egress_address": egress_address()}
    if action != "post":
        raise Refused(f"action {action!r}: expected address or post")
    allowed = os.environ["VIGIL_INFO_URL"]
    # Equal, letter by letter: there is nothing to be parsed, and so nothing to be mistaken.
    if event.get("url") != allowed:
        raise Refused(f"only {allowed} may be asked")
    body = _checked_body(event.get("body"))
    address = egress_address()
    if event.get("egress_address") != address:
        return {"moved": True, "egress_address": address}
    status, answer = _post(allowed, body)
    return {"status": status, "body": answer, "egress_address": address}


def _checked_body(body: object) -> bytes:
    if not isinstance(body, str):
        raise Refused("the body is no text")
    content = body.encode()
    if len(content) > LARGEST_REQUEST:
        raise Refused(f"a body of {len(content)} bytes; {LARGEST_REQUEST} are allowed")
    try:
        json.loads(content)
    except (ValueError, RecursionError):
        raise Refused("the body is no JSON") from None
    return content


def _post(url: str, body: bytes) -> tuple:
    headers = {"Content-Type": "application/json", "User-Agent": "vigil"}
    request = urllib.request.Request(url, data=body, headers=headers, method="POST")
    status, content = _open(request, TIMEOUT_S)
    if 300 <= status < 400:
        raise Refused(f"{url} redirects (HTTP {status}), which is not followed")
    return status, content.decode("utf-8", "replace")


def egress_address() -> str:
    """The address that this instance is seen under. Raises `OSError` where nobody says it."""
    if not _known_address:
        status, content = _open(urllib.request.Request(ADDRESS_URL), CHECK_TIMEOUT_S)
        try:
            if status != 200:
                raise ValueError(f"HTTP {status}")
            address = str(ip_address(content.decode("ascii").strip()))
        except ValueError as error:
            raise OSError(f"{ADDRESS_URL} named no address: {error}") from None
        _known_address.append(address)
    return _known_address[0]


def _address_so_far() -> object:
    return _known_address[0] if _known_address else None


def _open(request: urllib.request.Request, timeout_s: float) -> tuple:
    """Status and content. No proxy, no redirect, no file: only what is listed here is spoken."""
    opener = urllib.request.OpenerDirector()
    opener.add_handler(urllib.request.HTTPSHandler())
    # Plain HTTP is for tests, on one machine.
    if request.host.partition(":")[0] == "127.0.0.1":
        opener.add_handler(urllib.request.HTTPHandler())
    elif request.type != "https":
        raise Refused(f"{request.type} is not spoken with {request.host}")
    with opener.open(request, timeout=timeout_s) as reply:
        content = reply.read(LARGEST_ANSWER + 1)
        if len(content) > LARGEST_ANSWER:
            raise Refused(f"an answer of more than {LARGEST_ANSWER} bytes")
        if reply.length:
            raise OSError(f"{reply.length} bytes of the answer are missing")
        return reply.status, content
