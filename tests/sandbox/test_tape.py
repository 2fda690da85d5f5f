"""When two moments share a block, and when they must not."""

from random import Random

from vigil_sandbox.prices import HOUR_MS
from vigil_sandbox.tape import Block, Tape

NOON_MS = 488_000 * HOUR_MS


def test_moments_close_together_share_a_block() -> None:
    tape, _ = new_tape()

    assert tape.block_at(NOON_MS + 100) is tape.block_at(NOON_MS + 160)
    assert tape.block_at(NOON_MS + 160) is not tape.block_at(NOON_MS + 400)


def test_a_full_hour_parts_blocks_because_funding_falls_between_them() -> None:
    tape, _ = new_tape()

    before, after = tape.block_at(NOON_MS - 20), tape.block_at(NOON_MS + 20)

    assert before.time_ms < NOON_MS < after.time_ms


def test_a_cut_parts_blocks_so_that_a_snapshot_can_fall_between_them() -> None:
    tape, written = new_tape()

    before = tape.block_at(NOON_MS + 100)
    tape.cut()
    after = tape.block_at(NOON_MS + 100)

    assert written[0] is before
    assert before.time_ms < after.time_ms


def test_empty_blocks_lie_between_their_neighbours() -> None:
    tape, written = new_tape()

    for step in range(400):
        tape.block_at(NOON_MS + step * 5_000)
    tape.cut()

    times = [block.block_time_ns for block in written]
    assert times == sorted(set(times))
    assert 0.2 < 1 - 400 / len(written) < 0.4


def new_tape() -> tuple[Tape, list[Block]]:
    written: list[Block] = []
    return Tape(Random(3), 900, written.append), written
