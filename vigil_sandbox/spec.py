"""How large a world is, and which one: the same spec always gives the same bytes."""

import hashlib
import json
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime

from vigil_sandbox.prices import DAY_MS

FORMAT_VERSION = 2
"""Raised whenever the same spec gives other bytes, so that old worlds are not reused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorldSpec:
    """One world."""

    seed: int
    first_day: date
    day_count: int
    """At least 2: the crash lies on the afternoon of the middle day."""

    crowd_count: int
    """Private traders without skill."""

    crowd_orders_per_day: int
    market_maker_count: int
    """At least 2."""

    planted_each: int
    """Accounts per other behaviour; a copy pair counts as one."""

    directional_notional_usd: int
    """Position of a skilled or lucky trader; sized to earn six figures in the given days."""

    orders_per_session: int
    """Orders in which such a position is built up, and again closed."""

    twap_notional_usd: int
    twap_slice_count: int
    copy_orders_per_day: int

    flow_insight: float | None = None
    """How well the flow traders know the coming half hour: from 0, directions at random, to 1.

    Whatever it is, they send the same sizes at the same moments, and no price drifts: nothing
    but their flow tells where prices go. None: there are none of them, and prices drift.
    """

    rhythms_each: int = 0
    """Accounts per rhythm of trading: scalper, bot, day trader, keeper."""

    lucky_days: int | None = None
    """The lucky are picked by their first so many days, and go on flipping coins. None: by all."""

    @property
    def start_ms(self) -> int:
        midnight = datetime(
            self.first_day.year, self.first_day.month, self.first_day.day, tzinfo=UTC
        )
        return int(midnight.timestamp()) * 1000

    @property
    def end_ms(self) -> int:
        return self.start_ms + self.day_count * DAY_MS

    def as_json(self) -> dict[str, object]:
        content = {**asdict(self), "first_day": self.first_day.isoformat()}
        # A world without these traders is the same world as before there were any.
        if self.flow_insight is None:
            del content["flow_insight"]
        if not self.rhythms_each:
            del content["rhythms_each"]
        if self.lucky_days is None:
            del content["lucky_days"]
        return content

    def fingerprint(self) -> str:
        """SHA-256 over the spec and the format version."""
        content = {"format_version": FORMAT_VERSION, "spec": self.as_json()}
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
