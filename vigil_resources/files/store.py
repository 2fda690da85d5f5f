"""Objects under keys, in an S3 bucket or in a directory of the same layout."""

import glob
import hashlib
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

import obstore
from obstore.exceptions import BaseError, NotFoundError, PermissionDeniedError, UnauthenticatedError
from obstore.store import LocalStore, S3Store

from vigil_core.errors import NotWritten, ObjectMissing, StoreFailed, UnreadableObject
from vigil_resources.files.scratch import is_alive

_ATTEMPTS = 12
_LONGEST_PAUSE = 15.0
_REQUEST_SILENCES = 3
"""How many times the longest silence one request may take, with what the client repeats of it."""
_ANSWER_SILENCES = 9
"""Likewise all tries for one answer: more than one request, or a slow one would be the last."""
_CHUNK_BYTES = 1 << 20
_MD5 = re.compile(r"[0-9a-f]{32}")
_MD5_OF_PARTS = re.compile(r"[0-9a-f]{32}-([0-9]+)")
_PART_BYTES = tuple(n << 20 for n in (5, 8, 16, 32, 64, 128))


Answer = TypeVar("Answer")


class _NotProved(Exception):
    """An answer came that is not what was asked for."""


@dataclass(frozen=True, slots=True, order=True)
class Listed:
    """An object as a listing shows it. `etag` is without quotes."""

    key: str
    size: int
    etag: str


class Store:
    """Bytes under keys. A key is a relative path with forward slashes.

    Args:
        root: `s3://bucket/prefix`, or a directory, which need not exist yet.
        s3: Region, endpoint and credentials, where the root is a bucket; `read_timeout` are the
            seconds after which a silent answer is given up.
        sleep: Between attempts; seconds.
    """

    def __init__(
        self,
        root: str,
        s3: Mapping[str, str] | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.root = root
        self._sleep = sleep
        config = {name: value for name, value in (s3 or {}).items() if value}
        self._silence = float(config.pop("read_timeout", "20"))
        if root.startswith("s3://"):
            plain = config.get("aws_endpoint_url", "").startswith("http://")
            # The exchange's buckets let the reader pay; without the header they answer 403.
            self._store: S3Store | LocalStore = S3Store.from_url(
                root,
                config=config,  # type: ignore[arg-type]
                request_payer=True,
                client_options={
                    "read_timeout": timedelta(seconds=self._silence),
                    "timeout": "15m",
                    "allow_http": plain,
                },
                # A server that never answers would otherwise be waited for 3 minutes a request.
                retry_config={
                    "retry_timeout": timedelta(seconds=_REQUEST_SILENCES * self._silence)
                },
            )
        else:
            Path(root).mkdir(parents=True, exist_ok=True)
            self._store = LocalStore(root)

    def list(self, prefix: str) -> list[Listed]:
        """All objects under a prefix that ends at a slash, in the order of their keys.

        Raises:
            StoreFailed: No try brought the listing; says why.
        """
        return list(self._asked(lambda: self._listed(prefix.rstrip("/") + "/"), prefix))

    def list_from(self, prefix: str, first: str) -> tuple[Listed, ...]:
        """Objects in the folders directly under a prefix, from the folder `first` on.

        One listing, which starts there: what it costs does not grow with what lies before.
        """
        if isinstance(self._store, LocalStore):
            folders = sorted(
                path.name
                for path in (Path(self.root) / prefix).glob("*")
                if path.name >= first and path.is_dir()
            )
            return tuple(one for name in folders for one in self.list(f"{prefix}{name}/"))
        # No key equals the offset, so the folder itself is in the answer.
        return self._asked(lambda: self._listed(prefix, f"{prefix}{first}"), prefix)

    def _listed(self, prefix: str, offset: str | None = None) -> tuple[Listed, ...]:
        pages = obstore.list(self._store, prefix=prefix, offset=offset)
        found = (
            Listed(meta["path"], meta["size"], (meta["e_tag"] or "").strip('"'))
            for page in pages
            for meta in page
        )
        return tuple(sorted(found))

    def read(self, key: str) -> bytes:
        """The whole of a small object, proved by its own MD5 where the ETag tells it.

        Raises:
            ObjectMissing: There is none.
            StoreFailed: No try brought it as it is; says why.
        """

        def ask() -> bytes:
            got = obstore.get(self._store, key)
            content = bytes(got.bytes())
            etag = (got.meta["e_tag"] or "").strip('"')
            if _MD5.fullmatch(etag) and _md5(content) != etag:
                raise _NotProved("its bytes are not those of its MD5")
            return content

        return self._asked(ask, key)

    def write(self, key: str, content: bytes | Path) -> None:
        """Readers see the old object or the new one, never a part of it.

        In a directory it is on disk before this returns. What is there already is not written
        again: so what a killed writer leaves beside an object goes with the write that is due.

        Raises:
            NotWritten: A directory did not take it; the old one is as it was.
            StoreFailed: A bucket did not.
        """
        target = self.local_path(key)
        if target is None:
            self._asked(lambda: obstore.put(self._store, key, content), key)
        elif isinstance(content, Path):
            self._replace(key, target, lambda beside: shutil.copyfile(content, beside))
        elif target.is_file() and target.read_bytes() == content:
            _sync(target.parent)
        else:
            self._replace(key, target, lambda beside: beside.write_bytes(content))

    def _asked(self, ask: Callable[[], Answer], what: str) -> Answer:
        """What `ask` gives; asked again, with growing pauses, where a bucket fails to answer."""
        for _ in self._tries():
            try:
                return ask()
            except (NotFoundError, FileNotFoundError):
                raise ObjectMissing(what, self.root) from None
            except (PermissionDeniedError, UnauthenticatedError) as error:
                raise StoreFailed(self.root, _first_line(error), is_denied=True) from None
            except (BaseError, _NotProved) as error:
                reason = _first_line(error)
        raise StoreFailed(self.root, f"{what}: {reason}")

    def _tries(self) -> Iterator[int]:
        """Numbers of attempts, with pauses between them. A directory gets one."""
        begun = time.monotonic()
        for attempt in range(_ATTEMPTS):
            if attempt:
                waited = time.monotonic() - begun
                if isinstance(self._store, LocalStore) or waited > _ANSWER_SILENCES * self._silence:
                    return
                self._sleep(min(0.25 * 2**attempt, _LONGEST_PAUSE))
            yield attempt

    def take_file(self, key: str, path: Path) -> None:
        """Put a local file under a key; the file is gone then. On disk before this returns.

        Raises:
            NotWritten: What was there is as it was; the file may be gone.
        """
        target = self.local_path(key)
        if target is None:
            self.write(key, path)
            path.unlink()
            return
        self._replace(key, target, lambda beside: shutil.move(path, beside))

    def _replace(self, key: str, target: Path, bring: Callable[[Path], object]) -> None:
        """Bring a file beside its place, and put it there once it is whole and on disk."""
        # A name that no listing shows, in case the process ends here; and what others left.
        beside = target.with_name(f"{target.name}#{os.getpid()}")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            for left in target.parent.glob(f"{glob.escape(target.name)}#*"):
                owner = left.name.rpartition("#")[2]
                if not (owner.isdigit() and is_alive(int(owner))):
                    left.unlink(missing_ok=True)
            bring(beside)
            _sync(beside)
            beside.replace(target)
            _sync(target.parent)
        except OSError as error:
            beside.unlink(missing_ok=True)
            raise NotWritten(key, self.root, str(error.strerror)) from error

    def delete(self, key: str) -> None:
        """Does nothing where there is no such object."""
        with suppress(ObjectMissing):
            self._asked(lambda: obstore.delete(self._store, key), key)

    def local_path(self, key: str) -> Path | None:
        """Where an object lies already, if the root is a directory."""
        return Path(self.root) / key if isinstance(self._store, LocalStore) else None

    def download(self, listed: Listed, target: Path) -> bool:
        """Bring an object here, proved: its listed size, and its MD5 where the ETag tells it.

        False where only the size could be proved: the ETag is no MD5 (a directory's never is),
        or that of parts whose size nobody knows.

        No client notices a body that was shortened or altered on its way, so each try is
        proved, and a failed one repeated with growing pauses.

        Raises:
            ObjectMissing: It is gone since it was listed.
            UnreadableObject: No try brought the listed bytes; says what each found.
        """
        reasons: list[str] = []
        for _ in self._tries():
            try:
                size, md5 = self._download_once(listed, target)
            except (NotFoundError, FileNotFoundError):
                raise ObjectMissing(listed.key, self.root) from None
            except PermissionDeniedError as error:
                raise UnreadableObject(listed.key, f"access denied: {error}") from None
            except BaseError as error:
                reasons.append(f"{type(error).__name__}: {error}")
                continue
            if size != listed.size:
                reasons.append(f"{size} bytes came, {listed.size} are listed")
            elif _MD5.fullmatch(listed.etag) and md5 != listed.etag:
                reasons.append(f"MD5 {md5} came, {listed.etag} is listed")
            else:
                return bool(_MD5.fullmatch(listed.etag)) or _parts_match(target, listed)
            if self._has_changed(listed):
                reasons.append("the object is another than was listed")
                break
        raise UnreadableObject(listed.key, "; ".join(dict.fromkeys(reasons)))

    def _has_changed(self, listed: Listed) -> bool:
        try:
            now = obstore.head(self._store, listed.key)
        except BaseError:
            return False
        return (now["size"], (now["e_tag"] or "").strip('"')) != (listed.size, listed.etag)

    def _download_once(self, listed: Listed, target: Path) -> tuple[int, str]:
        md5 = hashlib.md5(usedforsecurity=False)
        size = 0
        tells_md5 = _MD5.fullmatch(listed.etag)
        with target.open("wb") as file:
            got = obstore.get(self._store, listed.key)
            for chunk in got.stream(min_chunk_size=_CHUNK_BYTES):
                if tells_md5:
                    md5.update(chunk)
                size += file.write(chunk)
        return size, md5.hexdigest()


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]


def _md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_chunks(path: Path) -> Iterator[bytes]:
    """A file in pieces of a few megabytes."""
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            yield chunk


def _parts_match(path: Path, listed: Listed) -> bool:
    """Whether an ETag of the form MD5-N is the MD5 of the MD5s of N parts of a usual size."""
    found = _MD5_OF_PARTS.fullmatch(listed.etag)
    if found is None:
        return False
    for size in _PART_BYTES:
        if -(-listed.size // size) == int(found[1]):
            digests = b""
            with path.open("rb") as file:
                while part := file.read(size):
                    digests += hashlib.md5(part, usedforsecurity=False).digest()
            if f"{_md5(digests)}-{found[1]}" == listed.etag:
                return True
    return False
