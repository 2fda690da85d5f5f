"""Static files: read once, named by their content, compressed once."""

import gzip
import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

STATIC = Path(__file__).resolve().parent.parent / "static"

_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True, slots=True)
class StaticFile:
    """One file as it is sent."""

    digest: str
    """Of the content; part of the address, so that a browser may keep it for good."""
    media_type: str
    plain: bytes
    gzipped: bytes


@cache
def static_files() -> dict[str, StaticFile]:
    """Every file below `static` whose kind is known, by its path there."""
    found = {}
    for path in sorted(STATIC.rglob("*")):
        if path.suffix in _TYPES:
            content = path.read_bytes()
            digest = hashlib.sha256(content).hexdigest()[:12]
            packed = gzip.compress(content, 9, mtime=0)
            found[path.relative_to(STATIC).as_posix()] = StaticFile(
                digest, _TYPES[path.suffix], content, packed
            )
    return found


def static_url(name: str) -> str:
    """The address of a static file, which changes with its content."""
    return f"/static/{static_files()[name].digest}/{name}"


@router.get("/static/{digest}/{name:path}")
def static_file(request: Request, digest: str, name: str) -> Response:
    """A static file; of another digest than the present one, not to be kept."""
    file = static_files().get(name)
    if file is None:
        return Response(status_code=404)
    keep = "public, max-age=31536000, immutable" if digest == file.digest else "no-store"
    headers = {"Cache-Control": keep, "Vary": "Accept-Encoding"}
    if "gzip" in request.headers.get("accept-encoding", ""):
        headers["Content-Encoding"] = "gzip"
        return Response(file.gzipped, media_type=file.media_type, headers=headers)
    return Response(file.plain, media_type=file.media_type, headers=headers)
