"""The fuzzers, small: what they find must be nothing, and they must have tried something."""

import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chaos import broken_lines, fuzz_coverage, fuzz_fills, fuzz_people, fuzz_snapshots
from chaos.campaigns import Campaign, Shared, run
from chaos.fuzz_fills import agree, expected_of, readers
from chaos.odd_lines import OddLines
from vigil_core.fills.reading import LineFormat

CHEAP = [
    *fuzz_fills.CAMPAIGNS,
    *fuzz_people.CAMPAIGNS,
    *fuzz_snapshots.CAMPAIGNS,
]
READER = next(readers())


def check(campaign: Campaign, folder: Path, scale: float) -> None:
    with Shared(folder) as shared:
        outcome = run(campaign, shared, 20_251_128, scale).outcome
    assert outcome.misses == ()
    assert outcome.passed, outcome.figure


@pytest.mark.parametrize("campaign", CHEAP, ids=lambda campaign: campaign.name)
def test_little_of_it_finds_nothing(campaign: Campaign, tmp_path: Path) -> None:
    check(campaign, tmp_path, 0.015)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("campaign", CHEAP, ids=lambda campaign: campaign.name)
def test_more_of_it_finds_nothing(campaign: Campaign, tmp_path: Path) -> None:
    check(campaign, tmp_path, 0.1)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_broken_lines_reach_the_database_with_their_places(tmp_path: Path) -> None:
    check(broken_lines.CAMPAIGNS[0], tmp_path, 0.1)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", ["event", "contexts", "updates"])
def test_coverage_guided(name: str, tmp_path: Path) -> None:
    pytest.importorskip("atheris")
    runs = fuzz_coverage.RUNS[name] // 5
    tried, seen, wrong = fuzz_coverage.run_target(name, tmp_path / "run", runs, 7)
    assert wrong == ""
    assert tried >= runs
    assert seen > 30


def test_planted_lines_are_what_the_slow_readers_say(tmp_path: Path) -> None:
    planted = broken_lines.plant(tmp_path, random.Random(5), 300)
    assert set(planted.kinds) >= {*broken_lines.KINDS, *broken_lines.GOOD_KINDS}
    found = {}
    for day, generation in broken_lines.DAYS.items():
        for hour in broken_lines.hours_of(day):
            content = fuzz_fills.unpacked([(tmp_path / hour.key).read_bytes()])
            assert content is not None
            for number, offset, raw in expected_of(content, generation.line_format).rejected:
                found[hour.file_id, number] = (offset, raw)
    assert found == planted.rejected


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=300), st.sampled_from(list(LineFormat)))
def test_any_bytes(content: bytes, line_format: LineFormat) -> None:
    agree(READER, content, [content[:7], content[7:]], line_format)


@settings(max_examples=60, deadline=None)
@given(
    st.binary(max_size=200), st.sampled_from([check for _, check in fuzz_people.PARSERS.values()])
)
def test_any_bytes_that_people_bring(content: bytes, look: object) -> None:
    assert callable(look)
    look(content)


def test_the_same_random_numbers_make_the_same_lines() -> None:
    one, other = (OddLines(random.Random(3)) for _ in range(2))
    texts = [fuzz_fills.text_of(one, LineFormat.BLOCK) for _ in range(20)]
    assert texts == [fuzz_fills.text_of(other, LineFormat.BLOCK) for _ in range(20)]
    assert len(set(texts)) == 20
