"""The twelve features as numbers that linear models can use, fitted on training rows alone.

| features | transform |
|---|---|
| 1, 3, 8, 12 | as they are |
| 2, 4, 10 | log(1 + x), then standardised |
| 5 | clipped to ±5 |
| 6, 9, 11 | standardised |
| 7 | sign(x) · log(1 + abs(x)) |

What is NULL becomes the median of the training rows.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from vigil_core.artemis.parameters import FEATURES

Floats = npt.NDArray[np.float64]

_CLIP = 5.0
"""Standard deviations of funding; beyond them only the side counts."""


def _unchanged(values: Floats) -> Floats:
    return values


def _clipped(values: Floats) -> Floats:
    return np.clip(values, -_CLIP, _CLIP)


def _signed_log(values: Floats) -> Floats:
    return np.sign(values) * np.log1p(np.abs(values))


_SHAPES: dict[str, Callable[[Floats], Floats]] = {
    "oi_vs_7d_avg_ratio": np.log1p,
    "liq_1h_vs_4h_avg": np.log1p,
    "volume_vs_1h_avg_ratio": np.log1p,
    "funding_vs_30d_zscore": _clipped,
    "oi_funding_pressure": _signed_log,
}
_STANDARDISED = frozenset(
    {
        "oi_vs_7d_avg_ratio",
        "liq_1h_vs_4h_avg",
        "volume_vs_1h_avg_ratio",
        "hours_to_funding",
        "price_change_5m_pct",
        "realized_vol_1h",
    }
)


@dataclass(frozen=True, slots=True)
class FeatureTransform:
    """What was learnt from the training rows; one number per feature, in the order of `FEATURES`.

    All of them describe the values after log, clip or signed log.
    """

    medians: Floats
    """NaN where the training rows have no value at all."""
    means: Floats
    """0 where nothing is standardised."""
    deviations: Floats
    """1 where nothing is standardised, and where all training rows are equal."""

    @classmethod
    def fit(cls, train: pl.DataFrame) -> "FeatureTransform":
        """Learn from these rows: the columns of `FEATURES`, NULL where not known."""
        shaped = _shaped(train)
        medians, means, deviations = [], [], []
        for name, column in zip(FEATURES, shaped.T, strict=True):
            known = column[~np.isnan(column)]
            is_scaled = name in _STANDARDISED and known.size > 0
            deviation = float(known.std()) if is_scaled else 1.0
            medians.append(float(np.median(known)) if known.size else np.nan)
            means.append(float(known.mean()) if is_scaled else 0.0)
            deviations.append(deviation or 1.0)
        return cls(np.array(medians), np.array(means), np.array(deviations))

    def transform(self, rows: pl.DataFrame) -> Floats:
        """The features of any rows, as (rows, 12) finite numbers.

        A feature that no training row has is 0 everywhere: nothing could be learnt about it.
        """
        shaped = _shaped(rows)
        filled = np.where(np.isnan(shaped), self.medians, shaped)
        scaled = (filled - self.means) / self.deviations
        return np.where(np.isnan(self.medians), 0.0, scaled)


def _shaped(rows: pl.DataFrame) -> Floats:
    """The features after log, clip or signed log; NaN where they are NULL."""
    columns = [
        _SHAPES.get(name, _unchanged)(rows[name].cast(pl.Float64).fill_null(np.nan).to_numpy())
        for name in FEATURES
    ]
    return np.column_stack(columns)
