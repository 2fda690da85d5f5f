"""Freed memory goes back to the machine."""

import ctypes
import re
from pathlib import Path

import pyarrow as pa
import pytest

from vigil_resources.memory import give_back

BLOCK = 64 << 10
"""Below what the C library maps by itself."""


def resident_mb() -> int:
    (kb,) = re.findall(r"VmRSS:\s+([0-9]+) kB", Path("/proc/self/status").read_text())
    return int(kb) // 1024


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="not glibc")
def test_what_was_freed_is_not_kept() -> None:
    pool = pa.system_memory_pool()
    before = resident_mb()
    blocks = [pa.allocate_buffer(BLOCK, memory_pool=pool) for _ in range(4_000)]
    for block in blocks:
        ctypes.memset(block.address, 1, BLOCK)
    assert resident_mb() > before + 200
    # The last one lies on top of all others, which therefore stay.
    del block, blocks[:-1]
    assert resident_mb() > before + 150
    give_back()
    assert resident_mb() < before + 50
