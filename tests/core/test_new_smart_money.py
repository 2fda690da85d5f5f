"""What fills say of the fills before them."""

import random
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vigil_core.new_smart_money import (
    History,
    Trader,
    began_flat,
    finding,
    first_position,
    history,
    is_new,
    merged,
)
from vigil_resources.exchange.answers import FILL_SCHEMA

USER = "0x" + "ab" * 20
CUTOFF = 1_754_006_400_000


def fills(*rows: dict[str, Any]) -> pl.DataFrame:
    complete = [
        {
            "time": CUTOFF,
            "user_address": USER,
            "coin": "BTC",
            "px": Decimal(100),
            "sz": Decimal(1),
            "side": "B",
            "dir": "Open Long",
            "start_position": Decimal(0),
            "closed_pnl": Decimal(0),
            "oid": number,
            "tid": number,
            **row,
        }
        for number, row in enumerate(rows)
    ]
    return pl.DataFrame(complete, schema=FILL_SCHEMA)


def begun(time: int, start: str, **more: Any) -> dict[str, Any]:
    return {"time": time, "start_position": Decimal(start), **more}


def trader(first: int, last: int) -> Trader:
    return Trader(
        user_address=USER,
        first_trade_time=first,
        last_trade_time=last,
        net_pnl=Decimal("1.5"),
        sharpe_ratio=None,
        trader_type="SMART_DIRECTIONAL",
    )


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([], True),
        ([begun(1, "0"), begun(2, "1")], True),
        # Whatever order they are in.
        ([begun(2, "1"), begun(1, "0")], True),
        # It held something before.
        ([begun(1, "0"), begun(1, "3", coin="ETH")], False),
        ([begun(1, "-3", side="B")], False),
        # What floats leave of nothing.
        ([begun(1, "0.0000000004")], True),
        # Balances come from deposits: they tell nothing, nor do conversions of dust.
        ([begun(1, "7", coin="@107"), begun(1, "7", coin="PURR/USDC")], True),
        ([begun(1, "0.004", coin="@142", dir="Spot Dust Conversion", side="A", tid=0)], True),
        ([begun(1, "7", coin="#1890")], True),
        # A builder's perp is one.
        ([begun(1, "7", coin="xyz:TSLA")], False),
        # Later breaks are another matter: fills before the first would not explain them.
        ([begun(1, "0"), begun(2, "9")], True),
    ],
)
def test_who_began_flat(rows: list[dict[str, Any]], expected: bool) -> None:
    assert began_flat(fills(*rows)) is expected


def test_legs_of_one_instant_are_put_in_their_order() -> None:
    legs = [("2", "A", "5"), ("-3", "B", "3"), ("0", "B", "2")]
    # 2 → -3 → 0 → 2 is a ring: where it was entered cannot be told.
    assert first_position(numbers(legs)) is None
    assert first_position(numbers(legs[:2])) == 2
    assert first_position(numbers(legs[1:])) == -3
    # A hole between them: two starts that are nobody's end.
    assert first_position(numbers([("0", "B", "1"), ("5", "A", "1")])) is None


def numbers(legs: list[tuple[str, str, str]]) -> list[tuple[Decimal, str, Decimal]]:
    return [(Decimal(start), side, Decimal(size)) for start, side, size in legs]


@given(
    start=st.integers(-3, 3),
    steps=st.lists(st.integers(1, 9).flatmap(lambda n: st.sampled_from([n, -n])), min_size=1),
    seed=st.integers(0, 99),
)
def test_chain_is_found_in_any_order_or_given_up(start: int, steps: list[int], seed: int) -> None:
    legs = list(chain(start, steps))
    random.Random(seed).shuffle(legs)
    end = start + sum(steps)
    assert first_position(legs) == (None if end == start else start)


def chain(start: int, steps: list[int]) -> Iterator[tuple[Decimal, str, Decimal]]:
    for step in steps:
        yield Decimal(start), "B" if step > 0 else "A", Decimal(abs(step))
        start += step


def test_history_adds_up_exactly() -> None:
    small, large = Decimal("0.00000001"), Decimal("98765432109876.12345678")
    rows = [
        begun(5, "0", closed_pnl=large),
        begun(9, "1", closed_pnl=small),
        begun(7, "1", closed_pnl=-large),
    ]
    assert history(USER, fills(*rows), is_within_reach=True) == History(
        user_address=USER,
        first_fill=5,
        last_fill=9,
        closed_pnl=small,
        fills_seen=3,
        history_complete=True,
    )


def test_nothing_is_complete_that_fills_the_reach() -> None:
    whole = fills(begun(1, "0"))
    assert history(USER, whole, is_within_reach=True).history_complete
    assert not history(USER, whole, is_within_reach=False).history_complete
    half = fills(begun(1, "1", side="A"))
    assert not history(USER, half, is_within_reach=True).history_complete


def test_twap_slices_explain_a_position_and_count_once() -> None:
    orders = fills(begun(2, "1", side="A", oid=7, tid=8), begun(2, "0", oid=9, tid=None))
    slices = fills(begun(1, "0", oid=3, tid=4), begun(2, "0", oid=9, tid=None))
    assert not began_flat(orders.head(1))
    together = merged(orders.head(1), slices.head(1))
    assert together["time"].to_list() == [1, 2]
    assert began_flat(together)
    assert merged(orders, slices).height == 3


def known(first: int | None, last: int | None, *, complete: bool) -> History:
    return History(
        user_address=USER,
        first_fill=first,
        last_fill=last,
        closed_pnl=Decimal(0),
        fills_seen=1,
        history_complete=complete,
    )


@pytest.mark.parametrize(
    ("in_warehouse", "in_api", "complete", "first", "new", "is_complete"),
    [
        (CUTOFF, CUTOFF, True, CUTOFF, True, True),
        (CUTOFF, CUTOFF - 1, True, CUTOFF - 1, False, True),
        (CUTOFF, CUTOFF, False, CUTOFF, None, False),
        # A fill before the cutoff settles it, though there may be older ones.
        (CUTOFF, CUTOFF - 1, False, CUTOFF - 1, False, False),
        # The warehouse has what the API forgot.
        (CUTOFF - 1, CUTOFF, True, CUTOFF - 1, False, False),
        (CUTOFF, CUTOFF + 1, True, CUTOFF, None, False),
        # The API has nothing at all: that may mean anything.
        (CUTOFF, None, True, CUTOFF, None, False),
    ],
)
def test_both_sources_decide(
    in_warehouse: int,
    in_api: int | None,
    complete: bool,
    first: int,
    new: bool | None,
    is_complete: bool,
) -> None:
    api = known(in_api, in_api, complete=complete)
    found = finding(trader(in_warehouse, CUTOFF + 5), api, CUTOFF)
    assert (found.first_fill, found.is_new, found.history_complete) == (first, new, is_complete)
    assert found.last_fill == CUTOFF + 5


def test_cutoff_itself_is_new() -> None:
    assert is_new(CUTOFF, CUTOFF, history_complete=True) is True
    assert is_new(CUTOFF - 1, CUTOFF, history_complete=True) is False
