"""Markets, health and explanations over HTTP, against the tables themselves."""

import csv
import io
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from tests.api.conftest import Api, serving
from tests.conftest import Installation
from vigil_sandbox.world import TINY

LAST = TINY.first_day.replace(day=TINY.first_day.day + TINY.day_count - 1)


@pytest.fixture(scope="module")
def api(loaded: Installation) -> Iterator[Api]:
    with serving(loaded) as here:
        yield here


def whole(api: Api, path: str, limit: int = 7, **query: Any) -> list[Any]:
    """A list, page after page."""
    items, cursor = [], {}
    while True:
        page = api.get(path, limit=limit, **query, **cursor)
        assert page.status == 200, page
        items += page.body["items"]
        if page.body["next"] is None:
            assert "link" not in page.headers
            return items
        assert f"cursor={page.body['next']}" in page.headers["link"]
        cursor = {"cursor": page.body["next"]}


@pytest.mark.parametrize(
    ("path", "relation", "name"),
    [("/api/coins", "coin_daily", "coin"), ("/api/builders", "builder_daily", "builder")],
)
def test_a_day_of_a_relation(api: Api, path: str, relation: str, name: str) -> None:
    found = whole(api, path, limit=2)
    stored = api.vigil.records(
        f"SELECT * FROM {relation} WHERE day = (SELECT max(day) FROM {relation})"
    )
    assert {(row[name], Decimal(row["volume"])) for row in found} == {
        (row[name], row["volume"]) for row in stored
    }
    assert len(found) == len(stored) > 1
    volumes = [Decimal(row["volume"]) for row in found]
    assert volumes == sorted(volumes, reverse=True)
    assert {row["day"] for row in found} == {LAST.isoformat()}
    first = whole(api, path, limit=500, day=TINY.first_day.isoformat())
    assert {row["day"] for row in first} == {TINY.first_day.isoformat()}
    assert whole(api, path, day="2020-01-01") == []


def test_liquidations_as_a_list_and_as_a_file(api: Api) -> None:
    span = {"from": "2020-01-01T00:00:00Z", "until": "2099-01-01T00:00:00Z"}
    stored = api.vigil.records("SELECT * FROM recent_liquidations")
    found = whole(api, "/api/liquidations", **span)
    assert len(found) == len(stored) > 7
    assert len({str(row) for row in found}) == len(found)
    key = lambda row: (str(row["tid"]), row["liquidated_user"], Decimal(row["notional"]))  # noqa: E731
    assert sorted(map(key, found)) == sorted(map(key, stored))
    assert [row["time"] for row in found] == sorted((r["time"] for r in found), reverse=True)

    answer = api.get("/api/liquidations.csv", **span)
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    lines = list(csv.DictReader(io.StringIO(answer.content.decode())))
    assert [{k: v or None for k, v in line.items()} for line in lines] == [
        {k: None if v is None else str(v) for k, v in row.items()} for row in found
    ]

    coin = found[0]["coin"]
    assert {row["coin"] for row in whole(api, "/api/liquidations", coin=coin, **span)} == {coin}
    large = sorted(Decimal(row["notional"]) for row in found)[-3]
    kept = whole(api, "/api/liquidations", min_notional=f"{large:f}", **span)
    assert len(kept) == 3


def test_smart_money_hours(api: Api) -> None:
    with api.vigil.warehouse.connect() as connection:
        connection.execute(
            "INSERT INTO smart_money_positions"
            " SELECT coin, data_end() - h * 3600000, 1.50, NULL, 0.5, 2"
            " FROM generate_series(1, 30) AS h CROSS JOIN unnest('{BTC,ETH}'::text[]) AS coin"
            " ON CONFLICT DO NOTHING"
        )
    found = whole(api, "/api/smart-money", coin="BTC")
    assert len(found) == 24
    assert found[0].keys() == {
        "coin", "hour", "long_notional", "short_notional", "net_bias", "traders",
    }  # fmt: skip
    assert len(whole(api, "/api/smart-money")) >= 48


def test_data_health(api: Api) -> None:
    found = whole(api, "/api/health/data", limit=1)
    assert [row["day"] for row in found][0] == LAST.isoformat()
    assert len(found) == TINY.day_count
    assert all(row["is_simulated"] and row["hours_expected"] == 24 for row in found)


def test_every_figure_is_explained_down_to_its_objects(api: Api) -> None:
    [row] = api.vigil.records(
        "SELECT user_address, day, net_pnl FROM trader_totals WHERE net_pnl <> 0"
        " ORDER BY day DESC, user_address LIMIT 1"
    )
    answer = api.get(f"/api/explain/{row['user_address']}/{LAST}")
    figures = {figure["figure"]: figure for figure in answer.body}
    assert Decimal(figures["net_pnl"]["value"]) == row["net_pnl"]
    inputs = figures["net_pnl"]["inputs"]
    assert Decimal(inputs["closed_pnl"]) - Decimal(inputs["fees"]) == row["net_pnl"]
    assert figures["net_pnl"]["objects"][0]["etag"]
    assert api.get(f"/api/explain/{row['user_address']}/2020-01-01").status == 404
    assert api.get(f"/api/explain/0x{'0' * 40}/{LAST}").status == 404


def test_a_file_of_liquidations_is_no_formula() -> None:
    from vigil_api.routes.markets import _cell

    assert [_cell(value) for value in ("=1+1", "@107", "-x", "BTC", Decimal("-1.50"), None)] == [
        "'=1+1", "'@107", "'-x", "BTC", "-1.50", None,
    ]  # fmt: skip


def test_profiles_are_the_table_and_can_be_asked_as_of_a_day(api: Api) -> None:
    stored = api.vigil.records("SELECT * FROM trader_profiles")
    for sort in ("net_pnl", "sharpe_ratio", "trading_days"):
        found = whole(api, "/api/profiles", sort=sort)
        assert len(found) == len(stored)
        assert {row["user_address"] for row in found} == {row["user_address"] for row in stored}
        keys = [row[sort] for row in found if row[sort] is not None]
        numbers = [Decimal(str(key)) for key in keys]
        assert numbers == sorted(numbers, reverse=True)
        assert all(row[sort] is None for row in found[len(keys) :])
    first = found[0]
    wanted = whole(api, "/api/profiles", **{"class": first["trader_type"]})
    assert {row["trader_type"] for row in wanted} == {first["trader_type"]}

    one = api.get(f"/api/profiles/{first['user_address']}").body
    assert {name: one[name] for name in first} == first
    known = api.get(f"/api/profiles/{first['user_address']}", as_of=str(LAST)).body
    assert known["trading_days"] == 1
    before = TINY.first_day.isoformat()
    assert api.get(f"/api/profiles/{first['user_address']}", as_of=before).status == 404


def test_every_figure_says_what_it_is_and_why_it_is_null(api: Api) -> None:
    [row] = api.vigil.records(
        "SELECT user_address, total_volume FROM trader_profiles ORDER BY total_volume DESC LIMIT 1"
    )
    path = f"/api/traders/{row['user_address']}"
    for window in ("7d", "30d", "90d", "all"):
        answer = api.get(f"{path}/metrics", window=window)
        assert answer.status == 200, answer
        figures = [f for family in answer.body["families"] for f in family["figures"]]
        assert len(figures) > 40
        for figure in figures:
            assert (figure["value"] is None) == (figure["reason"] is not None), figure
            assert figure["label"]
            assert figure["formula"]
    assert api.get(f"{path}/metrics", as_of=TINY.first_day.isoformat()).status == 404

    tokens = api.get(f"{path}/tokens/analytics", window="all").body
    shares = [token["share"] for token in tokens["tokens"] if token["share"] is not None]
    assert sum(shares) == pytest.approx(1)
    assert tokens["concentration"]["unique_tokens_traded"] == sum(
        token["fills"] > 0 for token in tokens["tokens"]
    )
