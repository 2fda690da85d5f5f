"""Attacks on the load, at a small size."""

from pathlib import Path

import pytest

from tests.chaos.scaled import met

pytestmark = [pytest.mark.campaign, pytest.mark.timeout(900)]


def test_a_load_is_the_same_after_kills_and_however_its_objects_came(tmp_path: Path) -> None:
    # One month for all of them: to make it is dearer than to attack its load.
    met(
        tmp_path,
        seed=45,
        loader_killed=0.08,
        arrival_orders=0.05,
        delivered_twice=0.07,
        hours_removed=0.07,
        month_in_any_order=0.07,
        loaders_at_once=0.08,
    )
