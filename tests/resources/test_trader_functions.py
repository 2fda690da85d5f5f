"""What is asked of one trader: against plain walks over his fills and days, and planted prices."""

import math
import random
import statistics
from collections import defaultdict
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

import pytest

from tests.conftest import Installation, installed
from tests.reference.profiles import is_perp
from tests.reference.round_trips import follow, random_fills
from tests.reference.trader_metrics import trader_days
from tests.resources.test_round_trips import COINS, DAYS, USERS
from tests.resources.test_trader_metrics import build, load
from vigil_core.calendar import DAY_MS

END = DAYS[-1] + DAY_MS
FIVE_MINUTES = 300_000
CLOSES = 92
"""Days of planted closes, one more than there are returns of 90 days and a day between."""

FILLS = random_fills(random.Random(11), USERS, COINS, DAYS, 12)


@pytest.fixture(scope="module")
def vigil(
    tmp_path_factory: pytest.TempPathFactory, module_patch: pytest.MonkeyPatch
) -> Iterator[Installation]:
    folder = tmp_path_factory.mktemp("functions_of_one")
    with installed(folder, folder / "raw", module_patch) as installation:
        for day in DAYS:
            load(installation, FILLS, day)
        build(installation, DAYS)
        with installation.warehouse.connect() as connection:
            _put_closes(connection)
        yield installation


def closes() -> dict[str, dict[int, Decimal]]:
    """By coin and day: two coins that move together, and one on its own."""
    rng = random.Random(3)
    found: dict[str, dict[int, Decimal]] = defaultdict(dict)
    price = dict.fromkeys(COINS, 100.0)
    for number in range(CLOSES):
        common = rng.gauss(0, 0.03)
        for coin, own in zip(COINS, (0.01, 0.02, 0.05), strict=True):
            price[coin] *= math.exp((common if coin != COINS[2] else 0) + rng.gauss(0, own))
            day = END - (CLOSES - number) * DAY_MS
            found[coin][day] = round(Decimal(price[coin]), 6)
    return found


def _put_closes(connection: Any) -> None:
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO candles (day, coin, interval, open_time, open, high, low, close, volume, "
            "trades, filled, source) VALUES (%s, %s, '5m', %s, 1, 1, 1, %s, 1, 1, false, 'fills')",
            [
                (day, coin, day + DAY_MS - FIVE_MINUTES, close)
                for coin, of_coin in closes().items()
                for day, close in of_coin.items()
            ],
        )


def one(vigil: Installation, function: str) -> dict[str, Any]:
    [row] = vigil.records(f"SELECT * FROM {function}")
    return row


# --- trades ------------------------------------------------------------------------------------


def test_the_median_of_survival_is_the_textbook_s(
    vigil: Installation,
) -> None:
    rng = random.Random(1)
    undefined = 0
    for _ in range(60):
        n = rng.randint(1, 12)
        durations = [rng.randint(1, 6) for _ in range(n)]
        ended = [rng.random() < 0.6 for _ in range(n)]
        found = one(
            vigil,
            f"kaplan_meier_median(ARRAY{durations}::numeric[], ARRAY{ended}::boolean[]) AS median",
        )["median"]
        wanted = survival_median(durations, ended)
        assert found == wanted, (durations, ended)
        undefined += wanted is None
    assert 0 < undefined < 60


def survival_median(durations: Sequence[int], ended: Sequence[bool]) -> int | None:
    """By fractions: the share that outlives each time at which something ended."""
    over, under = 1, 1
    for time in sorted(set(durations)):
        at_risk = sum(d >= time for d in durations)
        ends = sum(d == time and e for d, e in zip(durations, ended, strict=True))
        over, under = over * (at_risk - ends), under * at_risk
        if 2 * over <= under:
            return time
    return None


def test_trades_of_a_window_are_as_a_plain_walk_finds_them(vigil: Installation) -> None:
    bases = set()
    for user in USERS:
        for window in (2, 4, None):
            asked = f"trader_trades('{user}', {END}, {window or 'NULL'})"
            row = one(vigil, asked)
            legs = [
                f
                for f in FILLS
                if f.user == user and is_perp(f.coin) and row["window_start"] <= f.time < END
            ]
            trips, _ = follow(FILLS)
            ended = [
                t
                for t in trips
                if t.user_address == user
                and row["window_start"] <= t.closed_at < END
                and t.hold_ms is not None
            ]
            assert row["unique_coins"] == len({f.coin for f in legs})
            if legs:
                assert row["median_fill_notional_usd"] == statistics.median(
                    f.px * f.sz for f in legs
                )
            assert row["closed_trades"] == len(ended)
            assert row["winning_trades"] == sum((t.net_pnl or 0) > 0 for t in ended)
            assert row["losing_trades"] == sum((t.net_pnl or 0) < 0 for t in ended)
            held, lasted = still_open(vigil, user)
            assert row["open_trades"] == held
            every = len(ended) + held + row["left_censored_trades"]
            is_cut = bool(every) and (every - len(ended)) / every > 0.2
            assert row["median_hold_basis"] == ("kaplan_meier" if is_cut else "closed_trades")
            bases.add(row["median_hold_basis"])
            whole = [t.hold_ms or 0 for t in ended]
            wanted = (
                survival_median([*whole, *lasted], [True] * len(whole) + [False] * len(lasted))
                if is_cut
                else (statistics.median(whole) if whole else None)
            )
            hours = None if wanted is None else wanted / 3_600_000
            assert row["median_hold_hours"] == (None if hours is None else pytest.approx(hours))
            assert (row["median_hold_hours_reason"] is None) == (hours is not None)
            if ended:
                weighted = [float(t.size_ms / t.peak_size) for t in ended]
                assert row["size_weighted_hold_hours"] == pytest.approx(
                    statistics.mean(weighted) / 3_600_000
                )
    assert "kaplan_meier" in bases


def still_open(vigil: Installation, user: str) -> tuple[int, list[int]]:
    """Positions open at the end, and how long those lasted whose opening is known."""
    last: dict[str, dict[str, Any]] = {}
    rows = vigil.records(
        f"SELECT coin, position, open_since FROM trader_coin_daily WHERE user_address = '{user}' "
        "ORDER BY day"
    )
    for row in rows:
        if row["position"] is not None:
            last[row["coin"]] = row
    held = [row for row in last.values() if row["position"]]
    return len(held), [END - row["open_since"] for row in held if row["open_since"] is not None]


def test_a_later_fill_changes_nothing_before_it(vigil: Installation) -> None:
    sooner = DAYS[3]
    asked = [
        f"SELECT * FROM {function}('{user}', {sooner}, NULL)"
        for function in ("trader_trades", "trader_tokens", "trader_concentration", "trader_track")
        for user in USERS
    ]
    found = [vigil.records(statement) for statement in asked]
    with vigil.warehouse.connect() as connection:
        connection.execute("BEGIN")
        for table, time in {
            "fills": "time",
            "candles": "open_time",
            "held_positions": "day",
            "trader_totals": "day",
            "trader_coin_daily": "day",
            "round_trips": "closed_at",
        }.items():
            connection.execute(f"DELETE FROM {table} WHERE {time} >= {sooner}")
        again = [connection.execute(statement).fetchall() for statement in asked]
        connection.rollback()
    assert [[tuple(row.values()) for row in rows] for rows in found] == again


# --- tokens ------------------------------------------------------------------------------------


def test_what_tokens_made_is_what_the_trader_made(vigil: Installation) -> None:
    days = trader_days(FILLS, DAYS)
    whole = 0
    for user in USERS:
        rows = vigil.records(f"SELECT * FROM trader_token_days('{user}', {DAYS[0]}, {END})")
        by_day: dict[int, list[Any]] = defaultdict(list)
        for row in rows:
            by_day[row["day"]].append(row["pnl_usd"])
        for day, made in by_day.items():
            wanted = days[day, user].mark_to_market_pnl
            if wanted is not None:
                assert sum(made) == wanted, (user, day)
                whole += bool(wanted)
    assert whole > 3


def test_contributions_of_tokens_add_up_to_the_simple_return(vigil: Installation) -> None:
    compared = 0
    for user in USERS:
        for window in (1, 2, 3, 4):
            tokens = vigil.records(f"SELECT * FROM trader_tokens('{user}', {END}, {window})")
            track = one(vigil, f"trader_track('{user}', {END}, {window})")
            assert track["capital_basis"] == "peak_exposure"
            if any(row["return_contribution"] is None for row in tokens):
                continue
            assert track["pnl_basis"] == "mark_to_market"
            made = sum(row["return_contribution"] for row in tokens)
            assert made == pytest.approx(track["roi"], rel=1e-9, abs=1e-12)
            compared += 1
            for row in tokens:
                if row["peak_exposure_usd"]:
                    wanted = float(row["pnl_usd"] / row["peak_exposure_usd"])
                    assert row["token_roi"] == pytest.approx(wanted)
    assert compared > 0


def log_returns(coin: str) -> list[float]:
    prices = [float(close) for _, close in sorted(closes()[coin].items())][-91:]
    return [math.log(b / a) for a, b in zip(prices, prices[1:], strict=False)]


def test_correlation_of_tokens_is_that_of_their_closes(vigil: Installation) -> None:
    a, b, c = COINS
    for one_coin, other in ((a, b), (a, c), (b, c)):
        row = one(vigil, f"token_correlation('{one_coin}', '{other}', {END})")
        wanted = statistics.correlation(log_returns(one_coin), log_returns(other))
        assert row["n_obs"] == 90
        assert row["correlation"] == pytest.approx(wanted, rel=1e-6)
    # A close that is missing takes two returns away.
    few = one(vigil, f"token_correlation('{a}', '{b}', {END + 61 * DAY_MS})")
    assert few == {
        "n_obs": 29,
        "correlation": None,
        "correlation_reason": "too_few_observations",
    }
    assert one(vigil, f"token_correlation('{a}', '{b}', {END + 60 * DAY_MS})")["n_obs"] == 30


def test_diversification_knows_what_moves_together(vigil: Installation) -> None:
    aware = 0
    for user in USERS:
        row = one(vigil, f"trader_concentration('{user}', {END}, NULL)")
        shares = row["token_distribution"] or {}
        if len(shares) < 2:
            continue
        together = 0.0
        for a, share in shares.items():
            for b, other in shares.items():
                rho = 1.0 if a == b else statistics.correlation(log_returns(a), log_returns(b))
                together += share * other * rho
        assert row["corr_basis"] == "token_returns"
        assert row["diversification_score"] == pytest.approx(10 * (1 - together), rel=1e-6)
        later = one(vigil, f"trader_concentration('{user}', {END + 200 * DAY_MS}, NULL)")
        assert later["corr_basis"] == "none"
        assert later["diversification_score"] == pytest.approx(
            10 * (1 - later["concentration_index"])
        )
        aware += 1
    assert aware > 1


def test_results_of_two_tokens_are_held_against_each_other_day_by_day(
    vigil: Installation,
) -> None:
    found = one(vigil, f"token_pnl_correlation('{USERS[0]}', '{COINS[0]}', '{COINS[2]}', {END}, 5)")
    assert (found["correlation"], found["correlation_reason"]) == (None, "too_few_observations")
    # A month later most days are quiet, and quiet days are 0.
    rows = vigil.records(
        f"SELECT * FROM token_pnl_correlation('{USERS[0]}', '{COINS[0]}', '{COINS[0]}', "
        f"{END + 40 * DAY_MS}, 30)"
    )
    assert [row["correlation_reason"] for row in rows] == ["zero_variance"]
    assert rows[0]["n_obs"] == 30


# --- the benchmark -----------------------------------------------------------------------------


def test_information_ratio_is_against_bitcoin_held(vigil: Installation) -> None:
    compared = 0
    for user in USERS:
        row = one(vigil, f"trader_track('{user}', {END}, NULL)")
        if row["n_days"] == 0:
            assert row["information_ratio_reason"] is not None
            continue
        days = range(row["window_start"], END, DAY_MS)
        column = "mark_to_market_pnl" if row["pnl_basis"] == "mark_to_market" else "net_pnl"
        rows = vigil.records(
            f"SELECT day, {column} AS made FROM trader_totals WHERE user_address = '{user}'"
        )
        made = {one["day"]: one["made"] for one in rows}
        peak = row["peak_exposure_usd"]
        btc = {day: float(close) for day, close in closes()["BTC"].items()}
        active = [
            float(made.get(day, 0) / peak) - (btc[day] / btc[day - DAY_MS] - 1) for day in days
        ]
        wanted = statistics.mean(active) / statistics.stdev(active) * math.sqrt(365)
        assert row["information_ratio"] == pytest.approx(wanted, rel=1e-6)
        assert not row["includes_funding"]
        compared += 1
    assert compared > 0


def test_without_closes_there_is_no_benchmark(vigil: Installation) -> None:
    with vigil.warehouse.connect() as connection:
        connection.execute("BEGIN")
        connection.execute("DELETE FROM candles WHERE coin = 'BTC'")
        found = connection.execute(
            "SELECT information_ratio, information_ratio_reason FROM "
            f"trader_track('{USERS[0]}', {END}, 3)"
        ).fetchall()
        connection.rollback()
    assert found in ([(None, "no_data")], [(None, "too_few_observations")])


def test_leverage_at_entry_is_on_the_equity_before_it(vigil: Installation) -> None:
    trips, _ = follow(FILLS)
    mine = [
        t
        for t in trips
        if t.user_address == USERS[0] and t.hold_ms is not None and ":" not in t.coin
    ]
    first = min(t.opened_at or 0 for t in mine)
    with vigil.warehouse.connect() as connection:
        connection.execute("BEGIN")
        connection.execute(
            "INSERT INTO account_balances (day, address, recorded_at, account_value) "
            f"VALUES ({DAYS[0]}, '{USERS[0]}', {first - 1}, 1000000000)"
        )
        rows = connection.execute(
            f"SELECT bucket, trades FROM trader_leverage_win_rate('{USERS[0]}', {END})"
        ).fetchall()
        connection.rollback()
    near = sum(0 < (t.opened_at or 0) - (first - 1) <= 36 * 3_600_000 for t in mine)
    assert dict(rows)["lt1x"] == near > 0
    assert dict(rows)["unknown"] == len(mine) - near


def test_risk_says_what_it_is_made_of(vigil: Installation) -> None:
    row = one(vigil, f"trader_risk('{USERS[0]}', {END}, NULL)")
    assert "liquidation_risk" not in row["risk_components"]
    assert "concentration_index" in row["risk_components"]
    assert (row["risk_score"] is None) == (row["available_weight"] < 0.5)
