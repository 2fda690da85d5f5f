"""The compiled readers' own source, run by Python, in a memory whose every access is checked.

Compiled code can be watched by nobody: a fuzzer sees no branch of it, and a read behind the end of
a buffer goes unnoticed. The same source as plain Python is slow, shows all its branches, and stops
at the first byte that is not its own. One passage of the source may be changed, to see whether
what compares its answers would notice.
"""

import ast
import ctypes
import sys
from bisect import bisect_right
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any
from unittest.mock import patch
from weakref import WeakValueDictionary

import numpy as np

from vigil_core.artemis import balances, balances_kernel
from vigil_core.fills import kernel, machine_words, reading
from vigil_core.fills.reading import FillReader
from vigil_core.fills.row_group import RowGroup

_FULL_WORD = 2**64 - 1


class OutOfBounds(AssertionError):
    """The code reached for memory that is not its own."""


class Memory:
    """Stretches of real memory; what lies outside of them cannot be read or written."""

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []

    def own(self, *arrays: np.ndarray[Any, Any]) -> None:
        """Add arrays. Who made them keeps them alive."""
        for array in arrays:
            self.own_bytes(array.ctypes.data, array.nbytes)

    def own_bytes(self, start: int, size: int) -> None:
        """Add a stretch."""
        at = bisect_right(self._starts, start)
        self._starts.insert(at, start)
        self._ends.insert(at, start + size)

    def forget(self) -> None:
        """Own nothing any more."""
        self._starts, self._ends = [], []

    def load(self, address: int, size: int) -> int:
        """Bytes as a number, the first one lowest."""
        place = self._checked(int(address), size)
        return int.from_bytes(ctypes.string_at(place, size), "little")

    def store(self, address: int, value: int, size: int) -> None:
        """The lowest bytes of a number."""
        place = self._checked(int(address), size)
        low = int(value) & ((1 << 8 * size) - 1)
        ctypes.memmove(place, low.to_bytes(size, "little"), size)

    def _checked(self, address: int, size: int) -> int:
        at = bisect_right(self._starts, address) - 1
        if at < 0 or address + size > self._ends[at]:
            raise OutOfBounds(f"{size} bytes at {address:x}, behind a stretch or before all")
        return address


def _signed(value: int, size: int) -> np.int64:
    return np.int64(value - (1 << 8 * size) if value >> (8 * size - 1) else value)


def _words(memory: Memory) -> ModuleType:
    """Stands for `machine_words`."""
    module = ModuleType(machine_words.__name__)
    names = {
        "PADDING": machine_words.PADDING,
        "load8": lambda at: np.int64(memory.load(at, 1)),
        "load32": lambda at: _signed(memory.load(at, 4), 4),
        "load64": lambda at: _signed(memory.load(at, 8), 8),
        "load_word": lambda at: np.uint64(memory.load(at, 8)),
        "store8": lambda at, value: memory.store(at, value, 1),
        "store32": lambda at, value: memory.store(at, value, 4),
        "store64": lambda at, value: memory.store(at, value, 8),
        "trailing_zeros": _trailing_zeros,
        "multiply_add": _multiply_add,
    }
    module.__dict__.update(names)
    return module


def _trailing_zeros(word: np.uint64) -> np.int64:
    bits = int(word)
    return np.int64((bits & -bits).bit_length() - 1 if bits else 64)


def _multiply_add(factor: int, by: int, plus: int) -> tuple[np.uint64, np.uint64]:
    total = int(factor) * int(by) + int(plus)
    return np.uint64(total & _FULL_WORD), np.uint64(total >> 64)


def interpreted(
    module: ModuleType, memory: Memory, change: tuple[str, str] | None = None, **beside: ModuleType
) -> ModuleType:
    """A compiled module as plain Python.

    Args:
        module: With its functions compiled by numba.
        memory: What they may touch.
        change: A passage of the source, which must occur once, and what stands in its place.
        beside: By the last part of their names, modules that it imports and that are replaced.
    """
    source = Path(str(module.__file__)).read_text()
    if change is not None:
        old, new = change
        if source.count(old) != 1:
            raise ValueError(f"{old!r} occurs {source.count(old)} times")
        source = source.replace(old, new)
    numba = ModuleType("numba")
    numba.__dict__["njit"] = lambda **_: lambda function: function
    stand_ins = {"numba": numba, machine_words.__name__: _words(memory)}
    stand_ins |= {f"vigil_core.fills.{name}": module for name, module in beside.items()}
    made = ModuleType(module.__name__)
    with patch.dict(sys.modules, stand_ins):
        code = compile(ast.parse(source), str(module.__file__), "exec")
        exec(code, made.__dict__)  # nosec B102 # our own kernels, as they stand here
    return made


def functions(module: ModuleType) -> Iterator[FunctionType]:
    """Those that a module made by `interpreted` defines."""
    for value in list(vars(module).values()):
        if isinstance(value, FunctionType) and value.__module__ == module.__name__:
            yield value


class InterpretedFills:
    """A reader of fills whose kernel is interpreted, for as long as `reader` is entered."""

    def __init__(self, change: tuple[str, str] | None = None, group_rows: int = 64) -> None:
        self.memory = Memory()
        self.kernel = interpreted(kernel, self.memory, change)
        self._reader = FillReader(group_rows=group_rows)

    @contextmanager
    def reader(self) -> Iterator[FillReader]:
        """The reader, while its kernel is the interpreted one."""
        inner, read = self._reader, self.kernel.read_lines

        def read_lines(at: int, *rest: Any) -> Any:
            self.memory.forget()
            self.memory.own(*_arrays(inner._group))
            self.memory.own_bytes(at, rest[0] - at + machine_words.PADDING)
            with np.errstate(over="ignore"):
                why, place, row = read(np.int64(at), *map(np.int64, rest))
            return why, int(place), int(row)

        with (
            patch.object(reading, "kernel", self.kernel),
            patch.object(self.kernel, "read_lines", read_lines),
        ):
            yield inner


def _arrays(group: RowGroup) -> Iterator[np.ndarray[Any, Any]]:
    for columns in (group.integers, group.money, group.codes, group.flags, group.ends):
        yield from columns
    yield from group.spans
    for texts in group.texts:
        yield from (texts.slots, texts.taken, texts.starts, texts.arena, texts.count, texts.header)
    yield from (group.event_index, group.breaks, group.counts, group._scratch, group.header)


class InterpretedBalances:
    """Reads balances by the interpreted kernel, for as long as `reading` is entered."""

    def __init__(self, change: tuple[str, str] | None = None) -> None:
        self.memory = Memory()
        self.fills = interpreted(kernel, self.memory)
        self.kernel = interpreted(balances_kernel, self.memory, change, kernel=self.fills)

    @contextmanager
    def reading(self) -> Iterator[None]:
        """`balances.read_object` is read by the interpreted kernel."""
        memory, read = self.memory, self.kernel.read_ordinary
        tables: WeakValueDictionary[int, Any] = WeakValueDictionary()

        class Table(self.kernel.Table):  # type: ignore[misc, name-defined]
            def __init__(self) -> None:
                # A coin is entered between two calls.
                super().__init__()
                tables[self.address] = self
                memory.own(self.coins.slots)

        def read_ordinary(at: int, end: int, address: int) -> int:
            table = tables[address]
            memory.forget()
            memory.own(table._table, table.coins.slots, table.accounts, table.positions)
            memory.own_bytes(at, end - at + machine_words.PADDING)
            with np.errstate(over="ignore"):
                return int(read(np.int64(at), np.int64(end), np.int64(address)))

        with (
            patch.object(balances, "Table", Table),
            patch.object(balances, "read_ordinary", read_ordinary),
        ):
            yield
