"""Intents read from rows: merging, flips, transfers, and nothing that waits for the future."""

from decimal import Decimal
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vigil_core.desk.signals import LeaderFill, Signal, SignalReader

D = Decimal


def fill(
    time: int,
    side: Literal["B", "A"],
    sz: str,
    start: str | None,
    order: str | None = None,
    *,
    px: str = "100",
    coin: str = "BTC",
    on_book: bool = True,
    is_victim: bool = False,
) -> LeaderFill:
    return LeaderFill(
        time=time, coin=coin, side=side, px=D(px), sz=D(sz),
        start_position=None if start is None else D(start), order=order or f"o{time}",
        key=f"{time}/{coin}/{start}", on_book=on_book, is_victim=is_victim,
    )  # fmt: skip


def read(*fills: LeaderFill) -> list[Signal]:
    return SignalReader("0x1").read(fills)


def test_rows_of_one_order_and_of_one_minute_are_one_opening_at_the_first_price() -> None:
    signals = read(
        fill(0, "B", "1", "0", "a", px="100"),
        fill(59_999, "B", "2", "1", "b", px="110"),
        fill(600_000, "B", "3", "3", "b", px="120"),
        fill(700_000, "B", "4", "6", "c", px="130"),
    )
    assert [(s.action, s.side, s.time, s.px, s.size) for s in signals] == [
        ("open", "buy", 0, D(100), D(6)),
        ("open", "buy", 700_000, D(130), D(4)),
    ]


def test_flip_closes_and_opens() -> None:
    signals = read(fill(0, "B", "2", "0"), fill(100_000, "A", "5", "2"))
    assert [(s.action, s.side, s.reduced_share) for s in signals] == [
        ("open", "buy", None),
        ("close", "sell", D(1)),
        ("open", "sell", None),
    ]
    assert signals[2].size == D(3)


def test_reduction_is_carried_out_as_its_rows_come() -> None:
    (signal,) = read(
        fill(0, "A", "1", "4", "a", px="10"),
        fill(0, "A", "1", "3", "a", px="11"),
        fill(9, "A", "1", "2", "a", px="12"),
    )
    assert signal.action == "reduce"
    assert [(step.time, step.px, step.share) for step in signal.steps] == [
        (0, D(10), D("0.5")),
        (9, D(12), D("0.5")),
    ]
    assert signal.reduced_share == D("0.75")


@pytest.mark.parametrize("transfer", [{"on_book": False}, {"is_victim": True}])
def test_what_is_done_to_him_may_reduce_but_not_open(transfer: dict[str, bool]) -> None:
    assert read(fill(0, "B", "1", "0", **transfer)) == []
    signals = read(fill(0, "A", "3", "1", **transfer))
    assert [(s.action, s.side) for s in signals] == [("close", "sell")]


def test_row_without_a_position_is_counted_and_makes_no_signal() -> None:
    reader = SignalReader("0x1")
    assert reader.read([fill(0, "B", "1", None)]) == []
    assert reader.unreadable == 1


def test_float_noise_of_the_exchange_is_no_position() -> None:
    signals = read(fill(0, "A", "1", "1.0000000004"), fill(90_000, "B", "1", "0.0000000004"))
    assert [s.action for s in signals] == ["close", "open"]


def test_opening_after_a_close_is_a_new_intent() -> None:
    signals = read(
        fill(0, "B", "1", "0", "a"), fill(10, "A", "1", "1", "b"), fill(20, "B", "1", "0", "c")
    )
    assert [s.action for s in signals] == ["open", "close", "open"]


@st.composite
def histories(draw: st.DrawFn) -> list[LeaderFill]:
    rows, time, position = [], 0, dict.fromkeys(("BTC", "ETH"), D(0))
    for _ in range(draw(st.integers(0, 25))):
        time += draw(st.sampled_from((0, 1, 30_000, 61_000, 90_000_000)))
        coin = draw(st.sampled_from(("BTC", "ETH")))
        side: Literal["B", "A"] = draw(st.sampled_from(("B", "A")))
        sz = D(draw(st.integers(1, 5)))
        row = LeaderFill(
            time=time, coin=coin, side=side, px=D(draw(st.integers(90, 110))), sz=sz,
            start_position=position[coin], order=draw(st.sampled_from(("a", "b", "c", None))),
            key=str(len(rows)),
        )  # fmt: skip
        position[coin] += sz if side == "B" else -sz
        rows.append(row)
    return rows


def happenings(signals: list[Signal], before: int) -> list[object]:
    """What a copier would have done before an instant."""
    found: list[object] = []
    for s in signals:
        if s.action == "open":
            found += [(s.time, s.coin, s.side, "open", s.px)]
        found += [(p.time, s.coin, s.side, p.px, p.share) for p in s.steps]
    return sorted((f for f in found if f[0] < before), key=repr)  # type: ignore[index]


@given(histories(), st.integers(0, 25))
def test_nothing_later_changes_what_was_signalled(rows: list[LeaderFill], cut: int) -> None:
    before = rows[cut].time if cut < len(rows) else 1 << 60
    earlier = [row for row in rows if row.time < before]
    assert happenings(read(*earlier), before) == happenings(read(*rows), before)


@given(histories(), st.integers(0, 25))
def test_stretches_give_the_same_happenings_as_one_reading(
    rows: list[LeaderFill], cut: int
) -> None:
    at = rows[cut].time if cut < len(rows) else 1 << 60
    first = SignalReader("0x1")
    signals = first.read(row for row in rows if row.time < at)
    second = SignalReader("0x1", first.state())
    signals += second.read(row for row in rows if row.time >= at)
    assert happenings(signals, 1 << 61) == happenings(read(*rows), 1 << 61)


@given(histories())
def test_every_change_of_position_is_in_exactly_one_signal(rows: list[LeaderFill]) -> None:
    signals = read(*rows)
    assert len({s.key for s in signals}) == len(signals)
    told: dict[str, int] = {}
    for signal in signals:
        for key in signal.fills:
            told[key] = told.get(key, 0) + 1
    for row in rows:
        end = (row.start_position or D(0)) + (row.sz if row.side == "B" else -row.sz)
        flips = (row.start_position or D(0)) * end < 0
        assert told[row.key] == (2 if flips else 1)
