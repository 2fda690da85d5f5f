"""Attacks on the database, the disks and the clock, at a small size."""

import os
from pathlib import Path

import pytest

from tests.chaos.scaled import met
from tests.harness.clocks import NoFaketime, library

pytestmark = [pytest.mark.campaign, pytest.mark.timeout(900)]


def _has_faketime() -> bool:
    try:
        library()
    except NoFaketime:
        return False
    return True


def test_crashes_and_cut_connections_leave_nothing_half_done(tmp_path: Path) -> None:
    met(tmp_path, seed=45, crashes_in_copy=0.1, commits_cut=0.1)


@pytest.mark.skipif(os.geteuid() != 0, reason="a small disk is mounted, which only root may do")
def test_full_disks_are_told_and_leave_nothing_half_done(tmp_path: Path) -> None:
    met(tmp_path, seed=45, disks_full=0.1)


@pytest.mark.skipif(not _has_faketime(), reason="faketime is not installed here")
def test_no_clock_changes_a_day(tmp_path: Path) -> None:
    met(tmp_path, seed=45, clocks_wrong=0.3)


def test_a_large_day_and_a_long_run_take_bounded_memory(tmp_path: Path) -> None:
    met(tmp_path, seed=45, ten_days_in_one=0.12, hours_every_second=0.2)
