"""Lines of LZ4 frames, whole or not at all."""

import itertools
from collections.abc import Iterator

import lz4.frame
import pytest

from vigil_resources.files.lz4_lines import BrokenFrame, LineBatch, decompressed, line_batches


def pieces(data: bytes, size: int) -> Iterator[bytes]:
    """The bytes in chunks, as a file would give them."""
    for start in range(0, len(data), size):
        yield data[start : start + size]


def all_lines(batches: list[LineBatch]) -> list[bytes]:
    return [line for batch in batches for line in batch.lines]


@pytest.mark.parametrize("chunk", [1, 7, 1 << 20])
@pytest.mark.parametrize("batch_bytes", [1, 50, 1 << 20])
@pytest.mark.parametrize("ending", [b"", b"\n", b"\n\n"])
def test_places_are_exact_however_the_bytes_come(
    chunk: int, batch_bytes: int, ending: bytes
) -> None:
    text = b"\n".join(b"x" * (n % 13) + b"\r" for n in range(100)) + ending
    frame = lz4.frame.compress(text, block_size=lz4.frame.BLOCKSIZE_MAX64KB)

    batches = list(line_batches(pieces(frame, chunk), batch_bytes))

    expected = text.split(b"\n")
    if not expected[-1]:
        expected.pop()
    assert all_lines(batches) == expected
    for batch in batches:
        assert text[batch.byte_offset :].startswith(b"\n".join(batch.lines))
        assert text[: batch.byte_offset].count(b"\n") == batch.line_number - 1


def test_line_longer_than_a_batch_stays_whole() -> None:
    text = b"a" * 500_000 + b"\n" + b"b" * 500_000
    frame = lz4.frame.compress(text, block_size=lz4.frame.BLOCKSIZE_MAX64KB)
    batches = list(line_batches(pieces(frame, 100), batch_bytes=10))
    assert all_lines(batches) == text.split(b"\n")


@pytest.mark.parametrize("chunk", [1, 10, 1 << 20])
def test_frames_follow_each_other(chunk: int) -> None:
    data = b"".join(lz4.frame.compress(part) for part in (b"one\ntw", b"", b"o\nthree"))
    assert all_lines(list(line_batches(pieces(data, chunk)))) == [b"one", b"two", b"three"]


@pytest.mark.parametrize("data", [b"", lz4.frame.compress(b"")], ids=["no_bytes", "no_text"])
def test_nothing_has_no_lines(data: bytes) -> None:
    assert list(line_batches([data] if data else [])) == []


@pytest.mark.parametrize("chunk", [1, 1 << 20])
@pytest.mark.parametrize("checksum", [True, False])
def test_every_cut_is_noticed(chunk: int, checksum: bool) -> None:
    whole = lz4.frame.compress(b'{"a":1}\n' * 50, content_checksum=checksum)
    for length in range(1, len(whole)):
        with pytest.raises(BrokenFrame):
            list(decompressed(pieces(whole[:length], chunk)))


@pytest.mark.parametrize("tail", [b"x", b"\0\0\0\0", b"trailing text"])
def test_bytes_behind_the_last_frame_are_noticed(tail: bytes) -> None:
    with pytest.raises(BrokenFrame):
        list(decompressed([lz4.frame.compress(b"text\n") + tail]))


def test_plain_text_is_no_frame() -> None:
    with pytest.raises(BrokenFrame, match="LZ4 stream"):
        list(decompressed([b'{"local_time":1}\n']))


def test_altered_byte_is_noticed_by_the_checksum() -> None:
    whole = lz4.frame.compress(bytes(range(256)) * 20, content_checksum=True)
    for place in range(20, len(whole), 17):
        damaged = whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :]
        with pytest.raises(BrokenFrame):
            list(decompressed([damaged]))


def test_what_came_before_the_break_is_given_first() -> None:
    text = b"line\n" * 200_000
    whole = lz4.frame.compress(text, block_size=lz4.frame.BLOCKSIZE_MAX64KB)
    batches = line_batches(pieces(whole[:-10], 1_000), batch_bytes=100_000)
    first = list(itertools.islice(batches, 1))
    assert all_lines(first)
    with pytest.raises(BrokenFrame):
        list(batches)
