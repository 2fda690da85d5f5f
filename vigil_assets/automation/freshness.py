"""How old an asset may be. Dagster's freshness policies are young: they stand here alone."""

from datetime import timedelta

import dagster as dg

HOURLY = dg.FreshnessPolicy.time_window(
    fail_window=timedelta(hours=6), warn_window=timedelta(hours=3)
)
"""What follows the node's hours."""

DAILY = dg.FreshnessPolicy.time_window(
    fail_window=timedelta(hours=36), warn_window=timedelta(hours=30)
)
"""What is built of a day once it has ended, with the hours that a day is given to be complete."""

NEXT_DAY = dg.FreshnessPolicy.time_window(
    fail_window=timedelta(days=4), warn_window=timedelta(days=2)
)
"""What others publish of a day on the next one, or later."""
