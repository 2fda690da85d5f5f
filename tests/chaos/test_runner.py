"""The runner of campaigns: what counts as met, what is kept, and what the table says of it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from chaos import __main__ as program
from chaos.campaigns import (
    Campaign,
    Context,
    NoSuchCampaign,
    Outcome,
    Shared,
    campaigns,
    chosen,
    run,
)
from chaos.lanes import in_lanes, lanes
from chaos.results import keep, newest, results_file, table, write_table


def outcome(context: Context) -> Outcome:
    drawn = context.random.randrange(10**9)
    (context.folder / "left behind").touch()
    os.environ["VIGIL_LEFT_BEHIND"] = "1"
    return Outcome(True, f"drew {drawn}", {"draw": 1})


ATTACK = Campaign(990, "test-draw", "a promise | with a bar", "one draw", "drawn", outcome)


def attempted(tmp_path: Path, **changed: object) -> Outcome:
    campaign = Campaign(**{**ATTACK.__dict__, **changed})  # type: ignore[arg-type]
    with Shared(tmp_path) as shared:
        return run(campaign, shared, seed=1).outcome


def test_a_seed_repeats_an_attack_and_nothing_is_left_behind(tmp_path: Path) -> None:
    with Shared(tmp_path) as shared:
        first, again = (run(ATTACK, shared, seed=5).outcome for _ in range(2))
        assert first == again
        assert run(ATTACK, shared, seed=6).outcome != first
    assert list(tmp_path.iterdir()) == []
    assert "VIGIL_LEFT_BEHIND" not in os.environ


@pytest.mark.parametrize("injected", [{}, {"fault": 0}, {"fault": 3, "other": 0}])
def test_an_attack_that_injected_nothing_fails(tmp_path: Path, injected: dict[str, int]) -> None:
    found = attempted(tmp_path, run=lambda _: Outcome(True, "fine", injected))
    assert not found.passed
    assert "injected nothing" in found.figure


def test_an_attack_that_breaks_fails_and_says_how(tmp_path: Path) -> None:
    found = attempted(tmp_path, run=lambda _: 1 / 0)
    assert (found.passed, found.figure) == (False, "broke: ZeroDivisionError: division by zero")
    assert "Traceback" in found.misses[0]


def test_what_is_shared_is_made_once_and_ended_once(tmp_path: Path) -> None:
    seen = []

    @contextmanager
    def make(folder: Path) -> Iterator[Path]:
        seen.append("made")
        yield folder
        seen.append("ended")

    with Shared(tmp_path) as shared:
        assert shared.get(make) is shared.get(make)
        assert seen == ["made"]
    assert seen == ["made", "ended"]


def test_the_table_says_what_was_measured_last(tmp_path: Path) -> None:
    file, document = tmp_path / "chaos" / "results.jsonl", tmp_path / "reliability.md"
    document.write_text("Before\n<!-- chaos: begin -->\nold\n<!-- chaos: end -->\nAfter\n")
    never = Campaign(991, "test-never", "p", "a", "b", outcome)
    with Shared(tmp_path / "run") as shared:
        for seed in (1, 2):
            keep(run(ATTACK, shared, seed), file)
    write_table(table([ATTACK, never], newest(file)), document)
    before, _, _, _, first, second, _, after = document.read_text().splitlines()
    assert (before, after) == ("Before", "After")
    assert "seed 2; 1 draw" in first
    assert r"a promise \| with a bar" in first
    assert "not run" in second


def test_campaigns_are_found_by_name_number_and_pattern() -> None:
    found = campaigns()
    for campaign in found:
        assert chosen([campaign.name, str(campaign.number)]) == [campaign]
        assert campaign in chosen(["*"])
    with pytest.raises(NoSuchCampaign):
        chosen(["no-such"])


def test_the_program_fails_where_a_bar_is_missed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    missing = Campaign(992, "test-missed", "p", "a", "b", lambda _: Outcome(False, "f", {"x": 1}))
    monkeypatch.setenv("VIGIL_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setattr(program, "campaigns", lambda: [ATTACK, missing])
    monkeypatch.setattr("sys.argv", ["chaos", "--all", "--seed", "4"])
    assert program.main() == 1
    said = capsys.readouterr()
    assert "seed 4" in said.out
    assert "missed: test-missed" in said.err
    assert set(newest(tmp_path / "data" / "chaos" / "results.jsonl")) == {
        "test-draw",
        "test-missed",
    }


def test_lanes_hold_every_campaign_once() -> None:
    loads, callers = lanes(campaigns())
    assert sorted([*loads, *callers], key=lambda one: one.number) == campaigns()
    assert {campaign.name.partition("-")[0] for campaign in callers} == {"api", "fuzz"}
    assert lanes(callers) == [callers]


@pytest.mark.slow
def test_lanes_run_beside_each_other_and_one_that_ends_early_has_missed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("VIGIL_DATA_DIR", str(tmp_path))
    [frames] = chosen(["fuzz-frames"])
    # The second is unknown to the process that is to run it.
    assert in_lanes([[frames], [ATTACK]], 3, 0.01, results_file(tmp_path)) == ["test-draw"]
    assert newest(results_file(tmp_path))["fuzz-frames"]["seed"] == 3
    said = capsys.readouterr().out
    assert "fuzz-frames              |     met" in said
    assert "no campaign is called test-draw" in said
