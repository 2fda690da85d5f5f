"""Whether the fuzzers would notice: readers with one thing wrong, each to be caught."""

import random
from types import ModuleType

import pytest

from chaos import fuzz_fills, fuzz_snapshots
from chaos.fuzz_fills import Disagreement, agree, cut, text_of
from chaos.interpreted import InterpretedBalances, InterpretedFills, Memory, interpreted
from chaos.odd_lines import OddLines
from vigil_core.fills.reading import LineFormat
from vigil_resources.files import lz4_lines

MOST_TEXTS = 600
"""Of the odd texts of one seed; a campaign reads some thousands."""

KERNEL = {
    "a product beyond 64 bits": ("if whole < _SMALL:", "if whole < 3 * _SMALL:"),
    "a nineteenth digit": (
        "if at == first or at - first > 18:",
        "if at == first or at - first > 19:",
    ),
    "a thirteenth decimal": ("decimals > MONEY_SCALE:", "decimals > MONEY_SCALE + 1:"),
    "an escape taken as it is": (
        "| word | ((slash - _ONES) & ~slash)) & _HIGHS",
        "| word) & _HIGHS",
    ),
    "a byte that is not ASCII": ("& ~word) | word | ((slash", "& ~word) | ((slash"),
    "a key twice": ("if seen >> key & 1:", "if seen >> key & 1 and key != _KEY_PX:"),
    "a key missing": ("seen & _OBLIGATORY != _OBLIGATORY or", "seen == 0 or"),
    "a day that is none": ("(day > 29 or year % 4 != 0)", "day > 29"),
    "a moment before 2020": ("value < EARLIEST_MS or", "value < 0 or"),
    "a negative price": ("if not may_be_negative:", "if may_be_negative and at == 0:"),
    "texts of a line given up": ("store64(count, load64(kept + 8 * i))", "pass"),
    "a null kept from before": (
        "    for column in (_CLOID_ENDS,",
        "    for column in () and (_CLOID_ENDS,",
    ),
    "bytes behind a line": (
        "load8(line_end) != _LINE_FEED:\n                line_end = np.int64(-1)\n            if",
        "line_end == 0:\n                line_end = np.int64(-1)\n            if",
    ),
    "a sign lost": ("            low = ~low + _LOWEST\n", "            low = ~low\n"),
    "a read behind the end": (
        "    last = at + MAX_TEXT\n",
        "    last = at + MAX_TEXT\n    load_word(at + 4 * MAX_TEXT)\n",
    ),
}
QUICK = ("a thirteenth decimal", "an escape taken as it is", "a key twice")


def texts_until_caught(change: tuple[str, str] | None, most: int = MOST_TEXTS) -> int | None:
    odd = OddLines(random.Random(1))
    reads = InterpretedFills(change)
    with reads.reader() as reader:
        for nth in range(most):
            line_format = (LineFormat.BLOCK, LineFormat.EVENT)[nth % 2]
            content = text_of(odd, line_format)
            try:
                agree(reader, content, cut(odd, content), line_format)
            except Exception:
                return nth + 1
    return None


def test_the_kernel_as_it_is_disagrees_with_nobody() -> None:
    assert texts_until_caught(None, 40) is None


@pytest.mark.parametrize("name", QUICK)
def test_a_wrong_kernel_is_caught(name: str) -> None:
    assert texts_until_caught(KERNEL[name]) is not None


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", [name for name in KERNEL if name not in QUICK])
def test_any_wrong_kernel_is_caught(name: str) -> None:
    assert texts_until_caught(KERNEL[name]) is not None


BALANCES = {
    "a coin twice": ("if load64(slot + _AT_STAMP) == stamp:", "if stamp < 0:"),
    "a size of 0": (
        "!= 0:\n            store64(row + _AT_ACCOUNT, account)",
        "!= 1:\n            store64(row + _AT_ACCOUNT, account)",
    ),
    "an address not lowered": ("store8(place + i, digit)", "store8(place + i, load8(at + i))"),
    "positions of a line given up": (
        "store64(table + _POSITIONS, positions)\n            return at",
        "return at",
    ),
}


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", BALANCES)
def test_a_wrong_kernel_of_balances_is_caught(name: str) -> None:
    odd = OddLines(random.Random(1))
    caught = False
    with InterpretedBalances(BALANCES[name]).reading():
        for _ in range(MOST_TEXTS):
            content = fuzz_snapshots.balances_text(odd)
            try:
                fuzz_snapshots.agree_on_balances(content, [content])
            except Exception:
                caught = True
                break
    assert caught


def changed(module: ModuleType, old: str, new: str) -> ModuleType:
    """A module of plain Python with one passage changed."""
    return interpreted(module, Memory(), (old, new))


@pytest.mark.parametrize(
    "change",
    [
        ("    if in_frame:\n        raise BrokenFrame", "    if None:\n        raise BrokenFrame"),
        ('data = decoder.unused_data or b""', 'data = b""'),
    ],
    ids=["a frame cut short", "what follows a frame"],
)
def test_a_wrong_reader_of_frames_is_caught(
    change: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = changed(lz4_lines, *change)
    monkeypatch.setattr(fuzz_fills, "decompressed", wrong.decompressed)
    monkeypatch.setattr(fuzz_fills, "BrokenFrame", wrong.BrokenFrame)
    assert frames_missed() > 0


def frames_missed() -> int:
    odd = OddLines(random.Random(1))
    missed = 0
    for _ in range(60):
        try:
            fuzz_fills.check_frame(odd)
        except Disagreement:
            missed += 1
    return missed
