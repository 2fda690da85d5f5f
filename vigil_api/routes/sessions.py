"""`/login` and `/logout`: a browser shows a key once, and has a session for it from then on."""

from html import escape
from typing import Annotated

from fastapi import APIRouter, Form, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from vigil_api.problems import Problem
from vigil_api.security import COOKIE, is_loopback
from vigil_resources.api_keys import SESSION_SECONDS, ApiKeys

router = APIRouter(include_in_schema=False)

_PAGE = """\
<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Log in - Vigil</title></head>
<body><main><h1>Vigil</h1><p role="status">{said}</p>
<form method="post" action="/login">
<label for="key">Key</label> <input id="key" name="key" type="password" autocomplete="off" required>
<button>Log in</button></form></main></body></html>
"""


@router.get("/login")
def login_page() -> HTMLResponse:
    """Asks for a key."""
    return _page("A key is made by ./vigil api-key-create LABEL.")


@router.post("/login")
def login(request: Request, key: Annotated[str, Form(max_length=200)]) -> Response:
    """Give a session for a good key."""
    database = request.app.state.database
    with database.write() as connection:
        keys = ApiKeys(connection)
        found = keys.owner(key.strip())
        if found is None:
            return _page("This key is unknown, expired or revoked.", status=401)
        keys.note_use(found[0].key_id)
        session = keys.begin_session(found[0].key_id)
    response = RedirectResponse("/", status_code=303)
    response.set_cookie(
        COOKIE,
        session,
        max_age=SESSION_SECONDS,
        httponly=True,
        samesite="strict",
        secure=not is_loopback(request.url.hostname or ""),
    )
    return response


@router.post("/logout")
def logout(request: Request) -> Response:
    """End the session, wherever its cookie went."""
    session = request.cookies.get(COOKIE)
    if session is None:
        raise Problem("no-key", "nobody is logged in")
    with request.app.state.database.write() as connection:
        ApiKeys(connection).end_session(session)
    response = RedirectResponse("/login", status_code=303)
    response.delete_cookie(COOKIE)
    return response


def _page(said: str, status: int = 200) -> HTMLResponse:
    return HTMLResponse(_PAGE.format(said=escape(said)), status)
