"""The books balance to the last digit, recomputed from the files alone."""

from collections import defaultdict
from decimal import Decimal

from .oracle import DAY_MS, HOUR_MS, Fill, WorldFiles

NOISE = Decimal("0.000000001")
END_MS = 2**62


def positions(files: WorldFiles) -> dict[tuple[str, str], Decimal]:
    sizes: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for fill in perp_fills(files):
        sizes[fill.trader, fill["coin"]] += fill.signed_size
    return sizes


def perp_fills(files: WorldFiles) -> list[Fill]:
    return [fill for fill in files.fills if not fill.is_spot]


def test_signed_sizes_cancel_in_every_perp(files: WorldFiles) -> None:
    sums: dict[str, Decimal] = defaultdict(Decimal)
    for fill in perp_fills(files):
        sums[fill["coin"]] += fill.signed_size

    assert set(sums.values()) == {Decimal(0)}
    assert set(map(Decimal, files.truth["totals"]["signed_size"].values())) == {Decimal(0)}


def test_each_perp_fill_starts_where_the_last_one_ended(files: WorldFiles) -> None:
    running: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    noisy = 0
    for fill in perp_fills(files):
        key = (fill.trader, fill["coin"])
        gap = Decimal(fill["startPosition"]) - running[key]
        assert abs(gap) < NOISE
        noisy += bool(gap)
        running[key] += fill.signed_size

    assert 0 < noisy < len(files.fills) // 20


def test_spot_balances_move_by_sizes_and_base_token_fees(files: WorldFiles) -> None:
    base = {"@107": "HYPE", "@142": "UBTC", "PURR/USDC": "PURR"}
    ledger = files.json("api/ledger.json")
    final = files.truth["accounts"]
    moved: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for address, entries in ledger.items():
        for entry in entries:
            if entry["delta"]["type"] == "spotTransfer":
                moved[address, entry["delta"]["token"]] += Decimal(entry["delta"]["amount"])
    for fill in files.fills:
        if fill.is_spot:
            token = base[fill["coin"]]
            moved[fill.trader, token] += fill.signed_size
            if fill["feeToken"] == token:
                moved[fill.trader, token] -= Decimal(fill["fee"])
            if fill.is_dust:
                moved["0x" + "e" * 40, token] -= fill.signed_size

    for (address, token), amount in moved.items():
        if token != "USDC":
            assert Decimal(final[address]["spot"].get(token, "0")) == amount


def test_closed_pnl_is_measured_against_the_average_entry(files: WorldFiles) -> None:
    size: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    entry: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    largest = Decimal(0)
    for fill in perp_fills(files):
        key, change, price = (
            (fill.trader, fill["coin"]),
            fill.signed_size,
            Decimal(fill["px"]),
        )
        held = size[key]
        after = held + change
        pnl = Decimal(0)
        if held * change >= 0:
            entry[key] = (entry[key] * abs(held) + price * abs(change)) / abs(after)
        else:
            closed = min(abs(held), abs(change))
            pnl = (price - entry[key]) * closed * (1 if held > 0 else -1)
            if held * after < 0:
                entry[key] = price
        size[key] = after
        largest = max(largest, abs(pnl - Decimal(fill["closedPnl"])))

    assert largest <= Decimal("0.00002")


def test_equity_is_deposits_profits_funding_and_what_is_open(files: WorldFiles) -> None:
    """The identity, without the sandbox's own sums: only fills, rates, marks and transfers."""
    cash: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    pnl: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for fill in perp_fills(files):
        key = (fill.trader, fill.dex)
        cash[key] -= fill.signed_size * Decimal(fill["px"]) + Decimal(fill["fee"])
        pnl[key] += fill.net_pnl
    for _, trader, coin, usd in files.funding:
        dex = coin.partition(":")[0] if ":" in coin else ""
        cash[trader, dex] += usd
        pnl[trader, dex] += usd
    held = positions(files)
    marks = {coin: Decimal(mark) for coin, mark in files.truth["final_marks"].items()}

    checked = 0
    for address, account in files.truth["accounts"].items():
        for dex, sums in account["perps"].items():
            key = (address, dex)
            value = sum(
                size * marks[coin]
                for (trader, coin), size in held.items()
                if trader == address and coin.startswith(f"{dex}:" if dex else "")
                and (":" in coin) == bool(dex)
            )  # fmt: skip
            moved = files.transfers(address, dex, END_MS)
            assert moved + cash[key] + value == Decimal(sums["equity"])
            assert pnl[key] == (
                Decimal(sums["closed_pnl"]) - Decimal(sums["fees"]) + Decimal(sums["funding"])
            )
            checked += 1
    assert checked > len(files.truth["planted"])
    assert files.truth["totals"]["equity_residual"] == "0.0"


def test_nobody_ends_in_debt(files: WorldFiles) -> None:
    for account in files.truth["accounts"].values():
        for sums in account["perps"].values():
            assert Decimal(sums["equity"]) >= 0


def test_funding_is_really_paid(files: WorldFiles) -> None:
    paid = [usd for _, _, _, usd in files.funding if usd]

    assert len(paid) > 200
    assert min(paid) < 0 < max(paid)


def test_final_positions_are_those_of_the_fills(files: WorldFiles) -> None:
    held = {key: size for key, size in positions(files).items() if size}

    assert held == {
        (address, coin): Decimal(size)
        for address, account in files.truth["accounts"].items()
        for coin, size in account["positions"].items()
    }


def test_nobody_sells_spot_tokens_they_lack(files: WorldFiles) -> None:
    for fill in files.fills:
        if fill.is_spot and fill["side"] == "A":
            assert Decimal(fill["startPosition"]) >= Decimal(fill["sz"])


def test_snapshots_show_the_books_of_their_moment(files: WorldFiles) -> None:
    funding: dict[str, list[tuple[int, str, Decimal]]] = defaultdict(list)
    for hour_ms, trader, coin, usd in files.funding:
        funding[trader].append((hour_ms, coin, usd))
    fills: dict[str, list[Fill]] = defaultdict(list)
    for fill in perp_fills(files):
        if not fill.dex:
            fills[fill.trader].append(fill)

    for record in files.balances():
        address, state = record["address"], record["response"]["perpetual"]
        now_ms = state["time"]
        assert 2 * HOUR_MS + 15 * 60_000 <= now_ms % DAY_MS < 2 * HOUR_MS + 16 * 60_000
        past = [fill for fill in fills[address] if fill["time"] < now_ms]
        received = [(c, usd) for at, c, usd in funding[address] if at <= now_ms and ":" not in c]
        held: dict[str, Decimal] = defaultdict(Decimal)
        for fill in past:
            held[fill["coin"]] += fill.signed_size
        shown = {one["position"]["coin"]: one["position"] for one in state["assetPositions"]}

        assert {coin: size for coin, size in held.items() if size} == {
            coin: Decimal(position["szi"]) for coin, position in shown.items()
        }
        equity = files.transfers(address, "", now_ms)
        equity += sum(fill.net_pnl for fill in past)
        equity += sum(usd for _, usd in received)
        equity += sum(Decimal(position["unrealizedPnl"]) for position in shown.values())
        assert equity == Decimal(state["marginSummary"]["accountValue"])
        for coin, position in shown.items():
            paid = -sum(usd for name, usd in received if name == coin)
            assert Decimal(position["cumFunding"]["allTime"]) == paid


def test_account_value_is_raw_money_plus_positions(files: WorldFiles) -> None:
    for record in files.balances():
        state = record["response"]["perpetual"]
        summary = state["marginSummary"]
        value = sum(
            Decimal(position["positionValue"]).copy_sign(Decimal(position["szi"]))
            for position in (one["position"] for one in state["assetPositions"])
        )
        assert Decimal(summary["totalRawUsd"]) + value == Decimal(summary["accountValue"])


def test_each_snapshot_has_two_files_that_begin_with_metadata(
    files: WorldFiles,
) -> None:
    paths = sorted((files.root / "artemis" / "raw" / "perp_and_spot_balances").rglob("*.jsonl"))

    assert [path.relative_to(files.root).parts[3:6] for path in paths] == [
        ("2025", "09", "01"), ("2025", "09", "01"), ("2025", "09", "02"), ("2025", "09", "02"),
    ]  # fmt: skip
    assert all(path.read_text().startswith('{"_metadata":true,') for path in paths)
