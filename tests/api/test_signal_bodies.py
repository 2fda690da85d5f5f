"""Bodies of `POST /api/signals`: what is out of all bounds is refused, not a failure of ours."""

import pytest
from pydantic import ValidationError

from vigil_api.routes.signals import SignalIn

SIGNAL = {
    "trader": 7,
    "action": "open",
    "coin": "BTC",
    "side": "buy",
    "leader_time": "2026-01-31T12:00:00.000Z",
}


@pytest.mark.parametrize("key", ["leverage", "confidence", "reduced_share"])
@pytest.mark.parametrize("value", [10**400, -(10**400), float("inf"), float("nan"), True])
def test_a_number_beyond_any_float_is_refused(key: str, value: float) -> None:
    with pytest.raises(ValidationError):
        SignalIn.model_validate(SIGNAL | {key: value})
