"""Features against the vectors, and against rows that must not matter."""

import json
import random
from collections.abc import Iterable
from dataclasses import fields, replace
from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from tests.reference.shared_files import shared_file, shared_folder
from vigil_core.artemis.features import (
    LEGS,
    REASONS,
    SCHEMA,
    TABLES,
    MarketTables,
    features,
    oi_changes,
    oi_changes_by_coin,
)
from vigil_core.artemis.parameters import (
    DEFAULT,
    FEATURES,
    FLAGS,
    HYNOUS_FEES,
    STEP_MS,
    FeatureParameters,
    Parameters,
)
from vigil_core.errors import UnexpectedColumns

VECTORS = "data/vectors/artemis"
FOREVER = 10**15
DAY = 1_762_041_600_000
HOUR = 3_600_000
T = DAY + 13 * HOUR + 35 * 60_000


def frame(name: str, rows: Iterable[dict[str, Any]]) -> pl.DataFrame:
    types = LEGS if name == "legs" else TABLES[name]
    columns: dict[str, list[Any]] = {column: [] for column in types}
    for row in rows:
        for column, dtype in types.items():
            value = row.get(column)
            is_text = isinstance(dtype, pl.Decimal) and value is not None
            columns[column].append(Decimal(value) if is_text else value)
    return pl.DataFrame(columns, schema=types)


def covered(start: int, end: int = FOREVER, name: str = "fills_covered") -> pl.DataFrame:
    return frame(name, [{"start": start, "end": end}])


def oi_rows(rows: Iterable[dict[str, Any]]) -> pl.DataFrame:
    given_row = {"oi_usd": "1", "oi_base": "0", "kind": "snapshot", "usable": True}
    return frame("oi", [given_row | row for row in rows])


def changes_of(legs: Iterable[dict[str, Any]], anchors: Iterable[dict[str, Any]]) -> pl.DataFrame:
    return oi_changes(frame("legs", legs), [row["recorded_at"] for row in anchors])


def heat_map(snapshots: list[dict[str, Any]], bots: list[str], t: int) -> dict[str, pl.DataFrame]:
    positions = [
        position | {"recorded_at": snapshot["recorded_at"]}
        for snapshot in snapshots
        for position in snapshot["positions"]
    ]
    as_of = t - t % 86_400_000
    return {
        "balances": frame("balances", snapshots),
        "positions": frame("positions", positions),
        "bots": frame("bots", [{"as_of": as_of, "address": address} for address in bots]),
    }


def tables_of(function: str, inputs: dict[str, Any]) -> MarketTables:
    """What a case gives, as the tables it would come from."""
    t = inputs.get("t", inputs.get("snapshot_at"))
    tables: dict[str, pl.DataFrame] = {
        name: frame(name, inputs[name])
        for name in ("candles_1m", "candles_5m", "flow", "funding")
        if name in inputs
    }
    if function == "flow_features":
        tables["flow"] = frame("flow", inputs["rows"])
    if function == "funding_vs_30d_zscore":
        tables["funding"] = frame("funding", inputs["rows"])
    if function == "oi_vs_7d_avg_ratio":
        tables["oi"] = oi_rows(inputs["rows"])
    if function == "oi_funding_pressure":
        tables["oi"] = oi_rows(inputs["anchors"])
        tables["oi_changes"] = changes_of(inputs["legs"], inputs["anchors"])
    if function == "snapshot_row":
        tables["oi"] = oi_rows(inputs["oi_history"])
        anchors = [row for row in inputs["oi_history"] if row["kind"] == "snapshot"]
        tables["oi_changes"] = changes_of(inputs["legs"], anchors)
    if "fills_covered_from" in inputs:
        tables["fills_covered"] = covered(inputs["fills_covered_from"])
    events = inputs.get("events", inputs.get("liquidation_events"))
    if events is not None:
        tables["liquidations"] = frame("liquidations", events)
        if inputs.get("covered", inputs.get("liquidations_covered")):
            tables["liquidations_covered"] = covered(t - 4 * HOUR, t)
    snapshots = inputs.get("snapshots", inputs.get("balances"))
    if snapshots is not None:
        tables |= heat_map(snapshots, inputs["bots"], t)
    return MarketTables(**tables)


def cases(*names: str) -> list[dict[str, Any]]:
    """Cases of the suites, none where there is no shared folder."""
    try:
        folder = shared_folder() / VECTORS
    except pytest.skip.Exception:
        return []
    found = [json.loads((folder / f"{name}.json").read_text("utf-8"))["cases"] for name in names]
    return [case for suite in found for case in suite]


def ids(case: dict[str, Any]) -> str:
    return str(case["id"])


def is_close(value: float | None, expected: float | None) -> bool:
    if value is None or expected is None:
        return value is expected
    return abs(value - expected) <= max(1e-12, 1e-9 * abs(expected))


def assert_figure(row: dict[str, Any], name: str, expected: dict[str, Any]) -> None:
    reason = json.loads(row["reasons"]).get(name)
    assert is_close(row[name], expected["value"]), (name, row[name], expected)
    assert reason == expected["reason"]
    for flag, feature in FLAGS.items():
        if feature == name:
            assert row[flag] == expected["avail"]


# --- vectors -------------------------------------------------------------------------------


@pytest.mark.parametrize("case", cases("features", "features_edges"), ids=ids)
def test_feature_is_that_of_the_vector(case: dict[str, Any]) -> None:
    tables = tables_of(case["function"], case["inputs"])

    row = features(tables, "BTC", [case["inputs"]["t"]]).row(0, named=True)

    expected = case["expected"]
    if "value" in expected:
        expected = {case["function"]: expected}
    for name, figure in expected.items():
        assert_figure(row, name, figure)


@pytest.mark.parametrize("case", cases("snapshot_rows"), ids=ids)
def test_row_is_that_of_the_vector(case: dict[str, Any]) -> None:
    inputs, expected = case["inputs"], dict(case["expected"])

    row = features(tables_of(case["function"], inputs), "BTC", [inputs["snapshot_at"]]).row(
        0, named=True
    )

    assert json.loads(row["reasons"]) == expected.pop("reasons")
    assert row["price"] == Decimal(expected.pop("price"))
    for name, value in expected.items():
        same = row[name] == value if not isinstance(value, float) else is_close(row[name], value)
        assert same, (name, row[name], value)
    assert row["input_max_time"] == inputs["snapshot_at"] - 1


@pytest.mark.parametrize(
    "case",
    [c for c in cases("real_tape") if c["function"] == "funding_vs_30d_zscore_file"],
    ids=ids,
)
def test_recorded_funding_gives_the_zscore_of_the_vector(case: dict[str, Any]) -> None:
    rows = json.loads(shared_file(f"data/{case['inputs']['file']}").read_text("utf-8"))
    funding = frame("funding", [{"time": r["time"], "rate": r["fundingRate"]} for r in rows])

    row = features(MarketTables(funding=funding), "BTC", [case["inputs"]["t"]]).row(0, named=True)

    assert_figure(row, "funding_vs_30d_zscore", case["expected"])


# --- by hand -------------------------------------------------------------------------------


def one_row(t: int = T, parameters: Parameters = DEFAULT, **tables: pl.DataFrame) -> dict[str, Any]:
    return features(MarketTables(**tables), "BTC", [t], parameters).row(0, named=True)


def reason_of(row: dict[str, Any], name: str) -> str | None:
    found: str | None = json.loads(row["reasons"]).get(name)
    return found


def test_nothing_known_still_gives_a_row() -> None:
    row = one_row()

    assert [row[name] for name in FEATURES if row[name] is not None] == [25 / 60, 2]
    assert [row[flag] for flag in FLAGS] == [0] * 10
    assert set(json.loads(row["reasons"])) == set(FLAGS.values())
    assert row["input_max_time"] is None
    assert row["price"] is row["oi_kind"] is row["oi_age_ms"] is row["magnet_age_ms"] is None


def test_no_instants_give_no_rows() -> None:
    assert dict(features(MarketTables(), "BTC", []).schema) == SCHEMA


def test_schema_does_not_depend_on_the_values() -> None:
    assert dict(features(MarketTables(), "BTC", [T]).schema) == SCHEMA
    assert dict(features(world().tables, "BTC", [T]).schema) == SCHEMA


def events(*rows: tuple[int, str]) -> dict[str, pl.DataFrame]:
    return {
        "liquidations": frame("liquidations", [{"occurred_at": a, "size_usd": s} for a, s in rows]),
        "liquidations_covered": covered(T - 4 * HOUR, T, "liquidations_covered"),
    }


def test_a_cascade_needs_the_last_decimal_above_the_threshold() -> None:
    ten_tenths = [(T - HOUR + i, "50000.1") for i in range(10)]
    exactly = [(T - HOUR + i, "50000.0") for i in range(10)]
    by_a_hair = [*exactly[1:], (T - 1, "50000.000000000001")]

    assert one_row(**events(*ten_tenths))["liq_cascade_active"] == 1
    assert one_row(**events(*exactly))["liq_cascade_active"] == 0
    assert one_row(**events(*by_a_hair))["liq_cascade_active"] == 1


def test_sums_that_a_float_would_push_over_the_ratio_stay_at_it() -> None:
    # 0.1 three times is 0.30000000000000004 in floats, and 4 · 0.3 / 0.48 then above 2.5.
    large = FeatureParameters(cascade_usd=Decimal("0.1"))
    rows = events(
        *[(T - 1 - i, "0.1") for i in range(3)], (T - 2 * HOUR, "0.11"), (T - 3 * HOUR, "0.07")
    )

    row = one_row(parameters=Parameters(features=large), **rows)

    assert (row["liq_1h_vs_4h_avg"], row["liq_cascade_active"]) == (2.5, 0)


def test_no_liquidations_in_a_covered_stretch_are_a_fact_and_used_no_row() -> None:
    row = one_row(**events())

    assert (row["liq_cascade_active"], row["liq_cascade_avail"], row["liq_ratio_avail"]) == (
        0,
        1,
        0,
    )
    assert row["input_max_time"] is None


def test_hours_side_by_side_cover_what_they_cover_together() -> None:
    hours = [{"start": T - n * HOUR, "end": T - (n - 1) * HOUR} for n in (2, 4, 1, 3)]
    whole = events() | {"liquidations_covered": frame("liquidations_covered", hours)}
    holed = events() | {"liquidations_covered": frame("liquidations_covered", hours[1:])}

    assert one_row(**whole)["liq_cascade_avail"] == 1
    assert reason_of(one_row(**holed), "liq_cascade_active") == "insufficient_coverage"


def test_an_unusable_snapshot_is_neither_latest_nor_observation_nor_anchor() -> None:
    good = [
        {"recorded_at": T - n * 20 * HOUR, "oi_usd": "100", "oi_base": "5"} for n in range(1, 5)
    ]
    bad = {"recorded_at": T - HOUR, "oi_usd": "900", "oi_base": "9", "usable": False}

    row = one_row(oi=oi_rows([*good, bad]))

    assert (row["oi_vs_7d_avg_ratio"], row["oi_kind"], row["oi_age_ms"]) == (
        1,
        "snapshot",
        20 * HOUR,
    )


def test_a_rate_of_exactly_ninety_minutes_is_still_used() -> None:
    stamps = [T - 90 * 60_000 - n * HOUR for n in range(168)]
    rows = [{"time": at, "rate": f"0.{n}"} for n, at in enumerate(stamps)]

    assert one_row(funding=frame("funding", rows))["funding_zscore_avail"] == 1
    assert one_row(T + 1, funding=frame("funding", rows))["funding_zscore_avail"] == 0


def test_a_carried_row_is_the_latest_but_no_observation() -> None:
    rows = [{"recorded_at": T - n * 20 * HOUR, "oi_usd": "100"} for n in range(1, 5)]
    carried = {"recorded_at": T - STEP_MS, "oi_usd": "150", "kind": "carried"}

    row = one_row(oi=oi_rows([*rows, carried]))

    assert (row["oi_vs_7d_avg_ratio"], row["oi_kind"]) == (1.5, "carried")
    assert row["input_max_time"] == T - STEP_MS - 1


def test_publication_delay_hides_a_snapshot_until_it_was_published() -> None:
    rows = oi_rows([{"recorded_at": T - n * 20 * HOUR, "oi_usd": str(n)} for n in range(1, 6)])
    late = Parameters(features=FeatureParameters(balances_delay_ms=20 * HOUR))

    assert one_row(oi=rows)["oi_age_ms"] == 20 * HOUR
    # Known at T itself is not known before T.
    assert one_row(oi=rows, parameters=late)["oi_age_ms"] == 40 * HOUR
    assert one_row(T + 1, oi=rows, parameters=late)["oi_age_ms"] == 20 * HOUR + 1


def pressure(legs: list[tuple[int, str, str, str]], anchor_at: int = T - 2 * HOUR) -> Any:
    keys = ("time", "side", "sz", "start_position")
    anchors = [{"recorded_at": anchor_at, "oi_base": "10"}]
    stamps = [{"time": T - 35 * 60_000, "rate": "0.0001"}]
    return {
        "oi": oi_rows(anchors),
        "oi_changes": changes_of([dict(zip(keys, leg, strict=True)) for leg in legs], anchors),
        "fills_covered": covered(min(anchor_at, T - HOUR)),
        "funding": frame("funding", stamps),
    }


def test_a_taker_who_opens_against_a_maker_who_closes_moves_no_open_interest() -> None:
    passed_on = [(T - 9, "B", "2", "0"), (T - 9, "A", "2", "2")]
    opened = [(T - 5, "B", "2", "0"), (T - 5, "A", "2", "0")]

    assert one_row(**pressure(passed_on))["oi_funding_pressure"] == 0
    assert one_row(**pressure([*passed_on, *opened]))["oi_funding_pressure"] == 100 * 2 / 10 * 1e-4


def test_changes_since_an_hour_ago_count_even_if_the_anchor_is_younger() -> None:
    legs = [(T - 50 * 60_000, "B", "4", "0"), (T - 5, "B", "2", "0")]

    row = one_row(**pressure(legs, anchor_at=T - HOUR // 2))

    # 10 at the anchor and 2 since: 12 now, 6 an hour ago.
    assert row["oi_funding_pressure"] == 100 * 6 / 6 * 1e-4


def test_open_interest_of_nothing_an_hour_ago_has_no_change() -> None:
    row = one_row(**pressure([(T - 5, "B", "9", "0")], anchor_at=T - 1))

    assert reason_of(row, "oi_funding_pressure") is None
    row = one_row(**pressure([(T - 5, "B", "10", "0")], anchor_at=T - 1))
    assert reason_of(row, "oi_funding_pressure") == "zero_denominator"


def test_a_piece_that_is_not_cut_at_the_anchor_is_an_error() -> None:
    tables = pressure([(T - 2 * HOUR + 5, "B", "1", "0")], anchor_at=T - 2 * HOUR + 7)
    tables["oi_changes"] = changes_of(
        [{"time": T - 2 * HOUR + 5, "side": "B", "sz": "1", "start_position": "0"}], []
    )

    with pytest.raises(ValueError, match="straddles"):
        one_row(**tables)


def test_pieces_end_at_marks_and_cuts() -> None:
    legs = [
        {"time": T + at, "side": side, "sz": "3", "start_position": start}
        for at, side, start in ((0, "B", "-1"), (6, "A", "5"), (7, "B", "0"), (STEP_MS, "A", "1"))
    ]

    pieces = oi_changes(frame("legs", legs), [T + 7])

    assert pieces.rows() == [
        (T, T + 7, Decimal(-1)),
        (T + 7, T + STEP_MS, Decimal(3)),
        (T + STEP_MS, T + 2 * STEP_MS, Decimal(-1)),
    ]


def test_a_fill_without_start_position_has_no_known_change() -> None:
    leg = {"time": T, "side": "B", "sz": "1", "start_position": None}

    with pytest.raises(ValueError, match="not covered"):
        oi_changes(frame("legs", [leg]))


@pytest.mark.parametrize("seed", range(20))
def test_random_fills_move_open_interest_one_by_one(seed: int) -> None:
    rng = random.Random(seed)
    times = [T + rng.choice([1, 1000]) * rng.randrange(10**6) for _ in range(rng.randrange(200))]
    if rng.random() < 0.5:
        times.sort()
    cuts = [T + rng.randrange(10**6) for _ in range(rng.randrange(4))] + times[:1]
    legs = [
        {"time": time, "side": rng.choice("BA"), "sz": f"{rng.randrange(10**16)}e-{places}"}
        | {"start_position": f"{rng.randrange(-(10**16), 10**16)}e-{places}", "coin": coin}
        for time in times
        for places in [rng.randrange(2, 13)]
        for coin in [rng.choice(["BTC", "ETH", "a coin of a long name"])]
    ]
    expected: dict[tuple[str, int, int], Decimal] = {}
    for leg in legs:
        at, start, size = leg["time"], Decimal(leg["start_position"]), Decimal(leg["sz"])
        after = start + size if leg["side"] == "B" else start - size
        mark = at // STEP_MS * STEP_MS
        begin = max([mark, *(cut for cut in cuts if cut <= at)])
        end = min([mark + STEP_MS, *(cut for cut in cuts if cut > at)])
        piece = (leg["coin"], begin, end)
        change = max(after, Decimal(0)) - max(start, Decimal(0))
        expected[piece] = expected.get(piece, Decimal(0)) + change
    coins = pl.Series("coin", [leg["coin"] for leg in legs], dtype=pl.String)

    found = oi_changes_by_coin(frame("legs", legs).with_columns(coins), cuts)

    assert found.rows() == [(*piece, change) for piece, change in sorted(expected.items())]
    for coin in coins.unique():
        mine = [leg for leg in legs if leg["coin"] == coin]
        own = found.filter(pl.col("coin") == coin).drop("coin")
        assert oi_changes(frame("legs", mine), cuts).equals(own)


def test_flow_without_takers_keeps_the_volume() -> None:
    rows = [{"recorded_at": T - n * STEP_MS, "volume_usd": "5"} for n in range(1, 13)]

    row = one_row(flow=frame("flow", rows))

    assert row["volume_vs_1h_avg_ratio"] == 1
    assert reason_of(row, "cvd_normalized_5m") == "insufficient_coverage"


def test_bots_are_those_of_the_start_of_the_day() -> None:
    world_tables = world().tables
    everyone = world_tables.positions.select("address").unique()

    def magnet(as_of: int) -> dict[str, Any]:
        bots = everyone.select(pl.lit(as_of, pl.Int64).alias("as_of"), "address")
        row = features(replace(world_tables, bots=bots), "BTC", [T]).row(0, named=True)
        assert row["magnet_age_ms"] is not None
        return row

    assert reason_of(magnet(DAY), "liq_magnet_direction") == "zero_denominator"
    assert magnet(DAY - 86_400_000)["liq_magnet_avail"] == 1
    assert magnet(DAY + 86_400_000)["liq_magnet_avail"] == 1


def test_tables_are_refused_with_what_is_wrong_about_them() -> None:
    candle = {"open_time": T, "high": "2", "low": "1", "close": "1"}
    with pytest.raises(UnexpectedColumns, match=r"candles_5m.*close"):
        MarketTables(candles_5m=frame("candles_5m", []).drop("close"))
    with pytest.raises(UnexpectedColumns, match="rate"):
        MarketTables(funding=pl.DataFrame({"time": [T], "rate": [0.1]}))
    for rows in ([candle, candle], [candle | {"open_time": T + 1}], [candle | {"low": "0"}]):
        with pytest.raises(ValueError, match="candles_5m"):
            MarketTables(candles_5m=frame("candles_5m", rows))
    with pytest.raises(ValueError, match="NULL"):
        MarketTables(funding=frame("funding", [{"time": T, "rate": None}]))
    with pytest.raises(ValueError, match="ends before it starts"):
        MarketTables(fills_covered=covered(5, 4))


def test_money_of_any_scale_gives_the_same_row() -> None:
    tables = world().tables
    wider = {
        item.name: getattr(tables, item.name).with_columns(
            pl.col(pl.Decimal).cast(pl.Decimal(38, 15))
        )
        for item in fields(tables)
    }

    assert_frame_equal(
        features(MarketTables(**wider), "BTC", DAY_TIMES), features(tables, "BTC", DAY_TIMES)
    )


def test_version_follows_the_features_and_nothing_else() -> None:
    other = Parameters(features=FeatureParameters(cascade_ratio=Decimal("2.6")))
    same = Parameters(features=FeatureParameters(cascade_ratio=Decimal("2.50")))

    assert other.feature_version != DEFAULT.feature_version == same.feature_version
    assert other.label_version == DEFAULT.label_version
    assert HYNOUS_FEES.feature_version == DEFAULT.feature_version
    assert HYNOUS_FEES.label_version != DEFAULT.label_version
    assert one_row(parameters=other)["feature_version"] == other.feature_version


# --- no look-ahead -------------------------------------------------------------------------

DAY_TIMES = [DAY + n * STEP_MS for n in range(288)]


class World:
    """A made-up market of two days around `DAY`, with holes."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        start, end = DAY - 30 * HOUR, DAY + 26 * HOUR
        self.tables = MarketTables(
            candles_1m=self.candles("candles_1m", start, end, 60_000),
            candles_5m=self.candles("candles_5m", start, end, STEP_MS),
            flow=frame("flow", [self.bucket(at) for at in range(start, end, STEP_MS)]),
            liquidations=frame(
                "liquidations",
                [self.liquidation(self.random.randrange(start, end)) for _ in range(150)],
            ),
            liquidations_covered=covered(start, DAY + 20 * HOUR, "liquidations_covered"),
            funding=frame(
                "funding",
                [
                    self.settled(at + self.random.choice([0, 37]))
                    for at in range(DAY - 32 * 24 * HOUR, end, HOUR)
                ],
            ),
            **self.interest(start, end),
            **heat_map(
                [self.snapshot(DAY + HOUR * n + 7_700_123) for n in (-24, 0, 9)],
                [f"bot{n}" for n in range(3)],
                DAY,
            ),
        )

    def amount(self, low: float, high: float) -> str:
        return f"{self.random.uniform(low, high):.3f}"

    def candle(self, at: int) -> dict[str, Any]:
        low, middle, high = sorted(self.random.uniform(990, 1010) for _ in range(3))
        prices = {"high": f"{high:.2f}", "low": f"{low:.2f}", "close": f"{middle:.2f}"}
        return {"open_time": at} | prices

    def candles(self, name: str, start: int, end: int, step: int) -> pl.DataFrame:
        rows = [self.candle(at) for at in range(start, end, step) if self.random.random() > 0.003]
        return frame(name, rows)

    def bucket(self, at: int) -> dict[str, Any]:
        buy, sell = self.amount(0, 9e5), self.amount(0, 9e5)
        sides = {"buy_volume_usd": buy, "sell_volume_usd": sell}
        return {"recorded_at": at, "volume_usd": str(Decimal(buy) + Decimal(sell))} | sides

    def liquidation(self, at: int) -> dict[str, Any]:
        return {"occurred_at": at, "size_usd": f"{5_000 * self.random.paretovariate(0.7):.2f}"}

    def settled(self, at: int) -> dict[str, Any]:
        return {"time": at, "rate": f"{self.random.gauss(1e-5, 2e-5):.10f}"}

    def leg(self, at: int) -> dict[str, Any]:
        given_leg = {"side": self.random.choice("AB"), "sz": self.amount(0, 3)}
        return {"time": at, "start_position": self.amount(-5, 5)} | given_leg

    def open_interest(self, at: int, kind: str) -> dict[str, Any]:
        base = self.amount(1_000, 1_100)
        return {"recorded_at": at, "kind": kind, "oi_usd": base, "oi_base": base}

    def interest(self, start: int, end: int) -> dict[str, pl.DataFrame]:
        anchors = [
            self.open_interest(DAY + n * 24 * HOUR + (7_700_123 if n else 25 * STEP_MS), "snapshot")
            for n in range(-7, 1)
        ]
        carried = [self.open_interest(at, "carried") for at in range(start, end, STEP_MS)]
        legs = [self.leg(self.random.randrange(start, end)) for _ in range(500)]
        return {
            "oi": oi_rows([*anchors, *carried]),
            "oi_changes": changes_of(legs, anchors),
            "fills_covered": covered(start, DAY + 21 * HOUR),
        }

    def position(self, taken: int, n: int) -> dict[str, Any]:
        size = self.random.choice([-1, 1]) * self.random.uniform(0.1, 9)
        level = self.amount(800, 1_200) if self.random.random() > 0.1 else None
        who = {"recorded_at": taken, "address": f"{self.random.choice(['bot', '0x'])}{n}"}
        value = {"szi": f"{size:.3f}", "position_value": self.amount(500, 90_000)}
        return who | value | {"liquidation_px": level}

    def snapshot(self, taken: int) -> dict[str, Any]:
        return {"recorded_at": taken, "positions": [self.position(taken, n) for n in range(60)]}

    def poison(self, t: int) -> dict[str, list[dict[str, Any]]]:
        """Rows that nobody could know at t, loud enough to be heard."""
        rng, later = self.random, t + self.random.choice([0, 1, 4 * HOUR])
        minute, mark = t - t % 60_000, t - t % STEP_MS
        huge = {"high": "99999", "low": "1", "close": "5000"}
        flow = dict.fromkeys(("volume_usd", "buy_volume_usd", "sell_volume_usd"), "7e12")
        return {
            "candles_1m": [{"open_time": minute, "close": "4"}],
            "candles_5m": [{"open_time": mark} | huge],
            "flow": [{"recorded_at": mark} | flow],
            "liquidations": [{"occurred_at": later, "size_usd": "9e9"}] * rng.randrange(1, 3),
            "funding": [{"time": later, "rate": "0.5"}],
            "oi": [
                self.open_interest(later, rng.choice(["snapshot", "carried"])) | {"usable": True}
            ],
            "oi_changes": [{"start": mark, "end": mark + STEP_MS, "change_base": "1e6"}],
            "balances": [{"recorded_at": later}],
            "positions": [self.position(later, n) for n in range(3)],
            "bots": [
                {"as_of": mark // 86_400_000 * 86_400_000 + 86_400_000, "address": f"0x{n}"}
                for n in range(60)
            ],
        }


_worlds: dict[int, World] = {}


def world(seed: int = 1) -> World:
    if seed not in _worlds:
        _worlds[seed] = World(seed)
    return _worlds[seed]


def cut_before(tables: MarketTables, t: int) -> dict[str, pl.DataFrame]:
    """Only what is known at t, by the rule and not by the code under test."""
    known = {"oi_changes": ("end", 0), "bots": ("as_of", -1)}
    known |= {"candles_1m": ("open_time", 60_000), "candles_5m": ("open_time", STEP_MS)}
    known |= {"flow": ("recorded_at", STEP_MS)}
    kept = {}
    for item in fields(tables):
        rows: pl.DataFrame = getattr(tables, item.name)
        column, length = known.get(item.name, (rows.columns[0], 1))
        is_interval = item.name.endswith("_covered")
        kept[item.name] = rows if is_interval else rows.filter(pl.col(column) + length <= t)
    return kept


def test_the_made_up_market_has_every_feature() -> None:
    rows = features(world().tables, "BTC", DAY_TIMES)

    for flag in FLAGS:
        assert rows[flag].sum() > 50, flag
    assert rows["liq_cascade_active"].sum() > 0
    assert (rows["input_max_time"] < rows["snapshot_at"]).all()
    found = {reason for text in rows["reasons"] for reason in json.loads(text).values()}
    assert found <= set(REASONS)


@given(seed=st.integers(1, 3), place=st.integers(0, 287))
@settings(max_examples=40, deadline=None)
def test_what_comes_later_changes_no_byte(seed: int, place: int) -> None:
    tables, t = world(seed).tables, DAY_TIMES[place]
    known = cut_before(tables, t)
    poison = World.poison(world(seed), t)

    now = features(MarketTables(**known), "BTC", [t])
    poisoned = {
        name: pl.concat([rows, frame(name, poison.get(name, []))]).sample(
            fraction=1, shuffle=True, seed=place
        )
        for name, rows in known.items()
    }

    assert_same_bytes(features(tables, "BTC", [t]), now)
    assert_same_bytes(features(MarketTables(**poisoned), "BTC", [t]), now)


def assert_same_bytes(rows: pl.DataFrame, expected: pl.DataFrame) -> None:
    assert_frame_equal(rows, expected, check_exact=True)
    assert rows.serialize() == expected.serialize()


@pytest.mark.parametrize("seed", [1, 2])
def test_one_by_one_equals_all_at_once(seed: int) -> None:
    tables = world(seed).tables
    all_at_once = features(tables, "BTC", DAY_TIMES)

    one_by_one = pl.concat(features(tables, "BTC", [t]) for t in DAY_TIMES)
    shuffled = random.Random(seed).sample(DAY_TIMES, len(DAY_TIMES))

    assert_frame_equal(all_at_once, one_by_one, check_exact=True)
    assert_frame_equal(
        features(tables, "BTC", shuffled).sort("snapshot_at"), all_at_once, check_exact=True
    )
