"""Every number the features, labels and training sets depend on, and the versions they make.

A version is a hash over the ordered column names, the parameters and the number of the formulas:
rows of one version are comparable, rows of two are not.
"""

import hashlib
import json
from dataclasses import dataclass, fields, replace
from decimal import Decimal

from vigil_core.calendar import HOUR_MS

MINUTE_MS = 60_000
STEP_MS = 5 * MINUTE_MS
"""Between two snapshots; also the length of a bucket and of a 5m candle."""

SNAPSHOTS_PER_DAY = 288

FEATURE_FORMULAS = 1
LABEL_FORMULAS = 1
"""Raise when a formula changes in a way that its parameters do not show."""

FEATURES = (
    "liq_magnet_direction",
    "oi_vs_7d_avg_ratio",
    "liq_cascade_active",
    "liq_1h_vs_4h_avg",
    "funding_vs_30d_zscore",
    "hours_to_funding",
    "oi_funding_pressure",
    "cvd_normalized_5m",
    "price_change_5m_pct",
    "volume_vs_1h_avg_ratio",
    "realized_vol_1h",
    "sessions_overlapping",
)
"""In the order of the specification; the order is part of the version."""

FLAGS = {
    "liq_magnet_avail": "liq_magnet_direction",
    "oi_7d_avail": "oi_vs_7d_avg_ratio",
    "liq_cascade_avail": "liq_cascade_active",
    "liq_ratio_avail": "liq_1h_vs_4h_avg",
    "funding_zscore_avail": "funding_vs_30d_zscore",
    "oi_funding_pressure_avail": "oi_funding_pressure",
    "cvd_avail": "cvd_normalized_5m",
    "price_change_5m_avail": "price_change_5m_pct",
    "volume_avail": "volume_vs_1h_avg_ratio",
    "realized_vol_avail": "realized_vol_1h",
}
"""Flag → the feature it speaks of. The two features of the clock are never NULL and have none."""

HORIZONS = {"15m": 3, "30m": 6, "1h": 12, "4h": 48}
"""Horizon of a label → its 5m candles, each a multiple of the one before."""

LONGEST_HORIZON_MS = max(HORIZONS.values()) * STEP_MS
"""So long after a snapshot its labels are complete."""

NET_THRESHOLDS = (0, 1, 2, 3, 5)
"""Percent of the margin, net, above which the binary labels of 30m are 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureParameters:
    """Thresholds and ages of the features. USD amounts and ratios are exact."""

    cascade_ratio: Decimal = Decimal("2.5")
    cascade_usd: Decimal = Decimal(500_000)
    """A cascade is above both, strictly."""
    magnet_min_usd: Decimal = Decimal(1_000)
    magnet_range: Decimal = Decimal("0.15")
    """Fraction of the price, to either side; both limits belong to the map."""
    max_position_age_ms: int = 26 * HOUR_MS
    """Of balances, open interest and the anchor it is carried from; this age is still used."""
    max_funding_age_ms: int = 90 * MINUTE_MS
    min_funding_rows: int = 168
    min_oi_snapshots: int = 4
    balances_delay_ms: int = 0
    """From the time of a balances snapshot to its publication; 0: known as a live collector."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelParameters:
    """The position that labels imagine."""

    leverage: int = 20
    fee_open: Decimal = Decimal("0.00015")
    fee_close: Decimal = Decimal("0.00045")
    """Fractions of the entry notional; these are the base rates of maker and taker."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingParameters:
    """How training sets are cut. They change no feature and no label, so no version either."""

    target_clip: float = 20.0
    """Percent, either side: the only place where a figure is clipped."""
    embargo_ms: int = 4 * HOUR_MS
    min_train_days: int = 60
    test_days: int = 14
    step_days: int = 14


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """All of them, the defaults being those of the specification."""

    features: FeatureParameters = FeatureParameters()
    labels: LabelParameters = LabelParameters()
    training: TrainingParameters = TrainingParameters()

    @property
    def feature_version(self) -> str:
        """16 hex digits; equal exactly when names, parameters and formulas are."""
        return _version([*FEATURES, *FLAGS], self.features, FEATURE_FORMULAS)

    @property
    def label_version(self) -> str:
        """16 hex digits; equal exactly when horizons, thresholds, parameters and formulas are."""
        names = [f"{name}={candles}" for name, candles in HORIZONS.items()]
        names += [f"net{threshold}" for threshold in NET_THRESHOLDS]
        return _version(names, self.labels, LABEL_FORMULAS)


DEFAULT = Parameters()

HYNOUS_FEES = replace(
    DEFAULT, labels=LabelParameters(fee_open=Decimal("0.0002"), fee_close=Decimal("0.0005"))
)
"""With the fees of the original: `fees = hynous`."""


ParameterGroup = FeatureParameters | LabelParameters | TrainingParameters


def parameter_texts(group: ParameterGroup) -> dict[str, str]:
    """Each parameter as text, for versions and manifests; 2.5 and 2.50 are the same text."""
    return {item.name: _text(getattr(group, item.name)) for item in fields(group)}


def _text(value: float | Decimal) -> str:
    return format(value.normalize(), "f") if isinstance(value, Decimal) else str(value)


def _version(names: list[str], group: ParameterGroup, formulas: int) -> str:
    described = json.dumps([names, parameter_texts(group), formulas], separators=(",", ":"))
    return hashlib.sha256(described.encode()).hexdigest()[:16]
