"""Lines of an LZ4 object, in constant memory however large the object is."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import lz4.frame

BATCH_BYTES = 16 << 20
PIECE_BYTES = 1 << 20
"""Decompressed at a time: of larger pieces every one would lie in memory never touched before."""


@dataclass(frozen=True, slots=True)
class LineBatch:
    """Consecutive lines, without their line feeds, and where the first one stands."""

    lines: list[bytes]
    line_number: int
    byte_offset: int


class BrokenFrame(Exception):
    """The bytes are no whole sequence of LZ4 frames."""


def line_batches(chunks: Iterable[bytes], batch_bytes: int = BATCH_BYTES) -> Iterator[LineBatch]:
    """Split the decompressed stream at line feeds, some megabytes at a time.

    A last line without a line feed counts as a line.

    Raises:
        BrokenFrame: The stream is truncated, altered, or not LZ4. What came before has been
            yielded then; the caller discards it.
    """
    pending: list[bytes] = []
    pending_bytes = 0
    line_number, offset = 1, 0
    for piece in decompressed(chunks):
        pending.append(piece)
        pending_bytes += len(piece)
        if pending_bytes < batch_bytes:
            continue
        lines = b"".join(pending).split(b"\n")
        rest = lines.pop()
        if lines:
            yield LineBatch(lines, line_number, offset)
            line_number += len(lines)
            offset += pending_bytes - len(rest)
        pending, pending_bytes = [rest], len(rest)
    lines = b"".join(pending).split(b"\n")
    if not lines[-1]:
        lines.pop()
    if lines:
        yield LineBatch(lines, line_number, offset)


def decompressed(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The content of one or several frames, one after the other.

    `lz4.frame.decompress` would ignore a second frame and any trailing bytes without a word.
    An object of no bytes at all has no content.
    """
    decoder = lz4.frame.LZ4FrameDecompressor()
    in_frame = False
    total = 0
    for chunk in chunks:
        data = chunk
        while data or not (decoder.needs_input or decoder.eof):
            try:
                # Without a limit the decoder grows its answer by trial, at twice the cost.
                piece = decoder.decompress(data, PIECE_BYTES)
            except RuntimeError as error:
                raise BrokenFrame(
                    f"LZ4 stream broken after {total} bytes of text: {error}"
                ) from None
            in_frame = True
            total += len(piece)
            if piece:
                yield piece
            if not decoder.eof:
                if decoder.needs_input:
                    break
                data = b""
                continue
            data = decoder.unused_data or b""
            decoder = lz4.frame.LZ4FrameDecompressor()
            in_frame = False
    if in_frame:
        raise BrokenFrame(f"LZ4 stream ends inside a frame, after {total} bytes of text")
