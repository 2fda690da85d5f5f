"""Objects under keys, in an S3 bucket or in a directory of the same layout."""

import hashlib
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import obstore
from obstore.exceptions import BaseError, NotFoundError, PermissionDeniedError
from obstore.store import LocalStore, S3Store

from vigil_core.errors import ObjectMissing, StoreFailed, UnreadableObject
from vigil_resources.scratch import is_alive

_ATTEMPTS = 12
_LONGEST_PAUSE = 15.0
_CHUNK_BYTES = 1 << 20
_MD5 = re.compile(r"[0-9a-f]{32}")
_MD5_OF_PARTS = re.compile(r"[0-9a-f]{32}-([0-9]+)")
_PART_BYTES = tuple(n << 20 for n in (5, 8, 16, 32, 64, 128))


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
        s3: Region, endpoint and credentials, where the root is a bucket.
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
        if root.startswith("s3://"):
            config = {name: value for name, value in (s3 or {}).items() if value}
            plain = config.get("aws_endpoint_url", "").startswith("http://")
            # The exchange's buckets let the reader pay; without the header they answer 403.
            self._store: S3Store | LocalStore = S3Store.from_url(
                root,
                config=config,  # type: ignore[arg-type]
                request_payer=True,
                client_options={"read_timeout": "20s", "timeout": "15m", "allow_http": plain},
            )
        else:
            Path(root).mkdir(parents=True, exist_ok=True)
            self._store = LocalStore(root)

    def list(self, prefix: str) -> list[Listed]:
        """All objects under a prefix that ends at a slash, in the order of their keys."""
        found: list[Listed] = []
        for page in obstore.list(self._store, prefix=prefix.rstrip("/") + "/"):
            found.extend(
                Listed(meta["path"], meta["size"], (meta["e_tag"] or "").strip('"'))
                for meta in page
            )
        return sorted(found)

    def read(self, key: str) -> bytes:
        """Raises `ObjectMissing`."""
        try:
            return bytes(obstore.get(self._store, key).bytes())
        except (NotFoundError, FileNotFoundError):
            raise ObjectMissing(key, self.root) from None
        except BaseError as error:
            raise StoreFailed(self.root, str(error).splitlines()[0]) from None

    def write(self, key: str, content: bytes | Path) -> None:
        """Readers see the old object or the new one, never a part of it."""
        obstore.put(self._store, key, content)

    def take_file(self, key: str, path: Path) -> None:
        """Put a local file under a key; the file is gone then. On disk before this returns."""
        target = self.local_path(key)
        if target is None:
            self.write(key, path)
            path.unlink()
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        # A name that no listing shows, in case the process ends here; and what others left.
        for left in target.parent.glob(f"{target.name}#*"):
            if not is_alive(int(left.name.rpartition("#")[2])):
                left.unlink(missing_ok=True)
        beside = target.with_name(f"{target.name}#{os.getpid()}")
        shutil.move(path, beside)
        _sync(beside)
        beside.replace(target)
        _sync(target.parent)

    def delete(self, key: str) -> None:
        """Does nothing where there is no such object."""
        try:
            obstore.delete(self._store, key)
        except (NotFoundError, FileNotFoundError):
            return

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
        for attempt in range(_ATTEMPTS):
            if attempt:
                self._sleep(min(0.25 * 2**attempt, _LONGEST_PAUSE))
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
            whole = hashlib.md5(digests, usedforsecurity=False).hexdigest()
            if f"{whole}-{found[1]}" == listed.etag:
                return True
    return False
