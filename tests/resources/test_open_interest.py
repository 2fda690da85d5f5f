"""What the fills of a day cover, for open interest."""

import polars as pl

from vigil_core.fills.schema import MONEY
from vigil_resources.artemis.open_interest import _with_known_starts

HOUR, STEP = 3_600_000, 300_000


def test_five_minutes_with_a_fill_of_unknown_start_are_not_covered() -> None:
    schema = {"time": pl.Int64(), "start_position": MONEY}
    legs = pl.DataFrame(
        {"time": [HOUR, HOUR + 7 * STEP + 1, 3 * HOUR], "start_position": ["1", None, None]},
        schema_overrides={"start_position": pl.String},
    ).cast(schema)

    covered = _with_known_starts([(HOUR, 2 * HOUR), (3 * HOUR, 3 * HOUR + STEP)], legs)

    assert covered == [(HOUR, HOUR + 7 * STEP), (HOUR + 8 * STEP, 2 * HOUR)]
