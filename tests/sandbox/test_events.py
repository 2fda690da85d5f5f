"""Every kind of event occurs, in the form the exchange gives it."""

from collections import Counter, defaultdict
from decimal import Decimal

from .oracle import DAY_MS, ZERO_HASH, Fill, WorldFiles

DUST_SELLER = "0x" + "e" * 40
SYSTEM = ("Auto-Deleveraging", "Liquidated Cross Long", "Liquidated Cross Short")


def expected_direction(fill: Fill) -> str:
    """The reference's table, row by row."""
    # Off by float noise on some rows; a position has at most five decimals.
    start = round(Decimal(fill["startPosition"]), 8)
    end = start + fill.signed_size
    buys = fill["side"] == "B"
    table = [
        ("Short > Long", buys and start < 0 < end),
        ("Long > Short", not buys and end < 0 < start),
        ("Close Short", buys and start < 0),
        ("Close Long", not buys and start > 0),
        ("Open Long", buys),
        ("Open Short", not buys),
    ]
    return next(name for name, holds in table if holds)


def test_dir_of_ordinary_perp_fills_follows_from_position_and_side(
    files: WorldFiles,
) -> None:
    seen = Counter()
    for fill in files.fills:
        if not fill.is_spot and fill["dir"] not in SYSTEM:
            assert fill["dir"] == expected_direction(fill)
            seen[fill["dir"]] += 1

    assert len(seen) == 6


def test_every_kind_of_market_is_traded(files: WorldFiles) -> None:
    coins = {fill["coin"] for fill in files.fills}

    assert {"BTC", "kPEPE", "xyz:TSLA", "km:US500", "@107", "PURR/USDC"} <= coins


def test_builder_dexes_take_fees_in_their_own_collateral(files: WorldFiles) -> None:
    tokens = defaultdict(set)
    for fill in files.fills:
        if not fill.is_spot:
            tokens[fill.dex].add(fill["feeToken"])

    assert tokens == {"": {"USDC"}, "xyz": {"USDC"}, "km": {"USDH"}}


def test_spot_fees_are_in_what_is_received_and_rebates_in_what_is_given(
    files: WorldFiles,
) -> None:
    base = {"@107": "HYPE", "@142": "UBTC", "PURR/USDC": "PURR"}
    seen = set()
    for fill in files.fills:
        if fill.is_spot and not fill.is_dust and Decimal(fill["fee"]):
            buys, pays = fill["side"] == "B", Decimal(fill["fee"]) > 0
            assert fill["feeToken"] == (base[fill["coin"]] if buys == pays else "USDC")
            seen.add((buys, pays))

    assert seen == {(True, True), (True, False), (False, True), (False, False)}


def test_spot_profit_is_shown_on_sales_only(files: WorldFiles) -> None:
    spot = [fill for fill in files.fills if fill.is_spot and not fill.is_dust]

    assert {fill["dir"] for fill in spot} == {"Buy", "Sell"}
    assert all(fill["closedPnl"] == "0.0" for fill in spot if fill["dir"] == "Buy")
    assert any(fill["closedPnl"] != "0.0" for fill in spot if fill["dir"] == "Sell")


def test_twap_slices_have_no_hash_and_an_id_on_the_takers_leg(
    files: WorldFiles,
) -> None:
    slices = [pair for pair in files.trades if any(leg["twapId"] for leg in pair)]

    assert len(slices) > 20
    for pair in slices:
        taker, maker = sorted(pair, key=lambda leg: not leg["crossed"])
        assert isinstance(taker["twapId"], int)
        assert maker["twapId"] is None
        assert taker["hash"] == ZERO_HASH


def test_market_liquidations_name_the_taker_on_both_legs(files: WorldFiles) -> None:
    forced = [pair for pair in files.trades if method(pair[0]) == "market"]

    assert forced
    for pair in forced:
        taker = next(leg for leg in pair if leg["crossed"])
        assert taker["liquidation"]["liquidatedUser"] == taker.trader
        assert taker["dir"].startswith("Close")
        assert Decimal(taker["fee"]) > 0
        gap = Decimal(taker["px"]) / Decimal(taker["liquidation"]["markPx"]) - 1
        assert abs(gap) < Decimal("0.01")


def test_backstop_take_overs_move_the_position_to_the_vault_without_a_fee(
    files: WorldFiles,
) -> None:
    vault = house(files, "backstop vault")
    forced = [pair for pair in files.trades if pair[0]["dir"].startswith("Liquidated ")]

    assert forced
    for buyer, seller in forced:
        assert buyer["dir"] == seller["dir"]
        assert vault in (buyer.trader, seller.trader)
        victim = seller if buyer.trader == vault else buyer
        assert victim["liquidation"]["liquidatedUser"] == victim.trader
        assert method(victim) == "backstop"
        assert (buyer["fee"], seller["fee"]) == ("0.0", "0.0")
        assert abs(Decimal(victim["startPosition"])) == Decimal(victim["sz"])


def test_deleveraging_closes_winners_against_the_vault(files: WorldFiles) -> None:
    vault = house(files, "backstop vault")
    closed = [pair for pair in files.trades if pair[0]["dir"] == "Auto-Deleveraging"]

    assert closed
    for pair in closed:
        winner = next(leg for leg in pair if leg.trader != vault)
        assert {leg["dir"] for leg in pair} == {"Auto-Deleveraging"}
        assert {leg["fee"] for leg in pair} == {"0.0"}
        assert winner["liquidation"]["liquidatedUser"] == vault
        assert method(winner) == "backstop"
        assert winner["crossed"] is True
        assert Decimal(winner["closedPnl"]) > 0


def test_builder_fees_are_part_of_the_fee_and_sometimes_left_out(
    files: WorldFiles,
) -> None:
    named = [fill for fill in files.fills if "builder" in fill.row]

    assert any("builderFee" not in fill.row for fill in named)
    for fill in named:
        assert 0 <= Decimal(fill.row.get("builderFee", "0")) < Decimal(fill["fee"])


def test_the_zero_fee_vault_trades_for_nothing(files: WorldFiles) -> None:
    vault = house(files, "zero-fee vault")
    fees = {fill["fee"] for fill in files.fills if fill.trader == vault}

    assert fees == {"0.0"}


def test_dust_is_converted_at_midnight_in_single_legs(files: WorldFiles) -> None:
    dust = [fill for fill in files.fills if fill.is_dust]

    assert {fill["time"] // DAY_MS for fill in dust} == {
        fill["time"] // DAY_MS for fill in files.fills
    }
    for fill in dust:
        assert fill["time"] % DAY_MS < 1_000
        assert (fill["tid"], fill["hash"], fill["side"]) == (0, ZERO_HASH, "A")
        assert (fill["crossed"], fill["fee"]) == (True, "0.0")
        assert fill["sz"] == fill["startPosition"]
        assert Decimal(fill["sz"]) * Decimal(fill["px"]) < 1


def test_the_dust_of_a_coin_is_sold_as_one_order(files: WorldFiles) -> None:
    orders: dict[tuple[int, str], set[int]] = defaultdict(set)
    for fill in files.fills:
        if fill.is_dust:
            orders[fill.block, fill["coin"]].add(fill["oid"])
    sales = [fill for fill in files.fills if fill.trader == DUST_SELLER]

    assert sales
    assert all(len(oids) == 1 for oids in orders.values())
    for sale in sales:
        assert orders[sale.block, sale["coin"]] == {sale["oid"]}
        assert (sale["dir"], sale["hash"], sale["tid"] > 0) == ("Sell", ZERO_HASH, True)


def test_some_orders_carry_a_client_id(files: WorldFiles) -> None:
    named = [fill for fill in files.fills if "cloid" in fill.row]

    assert 0.1 < len(named) / len(files.fills) < 0.9
    assert all(len(fill["cloid"]) == 34 for fill in named)


def test_followers_repeat_their_leader_within_seconds(files: WorldFiles) -> None:
    planted = files.truth["planted"]
    leaders = [one["address"] for one in planted if one["behaviour"] == "copy_leader"]
    followers = [one["address"] for one in planted if one["behaviour"] == "copy_follower"]

    for leader, follower in zip(leaders, followers, strict=True):
        led = [fill for fill in files.fills if fill.trader == leader and fill["crossed"]]
        for fill in files.fills:
            if fill.trader == follower and fill["crossed"]:
                assert any(
                    (one["coin"], one["side"]) == (fill["coin"], fill["side"])
                    and 1_500 < fill["time"] - one["time"] < 9_500
                    for one in led
                )


def method(fill: Fill) -> str | None:
    liquidation = fill.row.get("liquidation")
    return liquidation["method"] if liquidation else None


def house(files: WorldFiles, role: str) -> str:
    return next(address for address, name in files.truth["house"].items() if name == role)
