"""How figures read on a page."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from markupsafe import Markup

from vigil_api.pages import numbers


def text(markup: Markup) -> str:
    return markup.striptags()


@pytest.mark.parametrize(
    ("value", "signed", "shown"),
    [
        (Decimal("0"), True, "0"),
        (Decimal("0.004"), True, "0.00"),
        (Decimal("12.345"), False, "12.34"),
        (Decimal("-12.3"), True, "−12.30"),
        (Decimal("1234.56"), True, "+1,235"),
        (Decimal("999999.4"), False, "999,999"),
        (Decimal("999999.5"), False, "1.00 M"),
        (Decimal("-1234567"), True, "−1.23 M"),
        (Decimal("123456789"), False, "123.5 M"),
        (Decimal("2.5e9"), False, "2.50 B"),
        (3, True, "+3.00"),
    ],
)
def test_money(value: Any, signed: bool, shown: str) -> None:
    assert text(numbers.money(value, signed=signed)).replace(numbers.THIN, " ") == shown


def test_gain_and_loss_differ_by_sign_and_not_by_colour_alone() -> None:
    gain, loss = numbers.money(Decimal(5), signed=True), numbers.money(Decimal(-5), signed=True)
    assert 'class="num gain"' in gain
    assert 'class="num loss"' in loss
    assert text(gain) == "+5.00"
    assert text(loss) == "−5.00"
    # What rounds to nothing is neither.
    assert 'class="num "' in numbers.percent(0.00001, signed=True)


@pytest.mark.parametrize(
    ("value", "shown"), [(0.5, "50.0"), (-0.123, "−12.3"), (12.5, "1,250"), (0, "0.0")]
)
def test_percent(value: float, shown: str) -> None:
    assert text(numbers.percent(value)) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (100_000, "100,000"),
        (30, "30"),
        (0.001, "0.001"),
        (-0.001, "−0.001"),
        (0.2, "0.2"),
        (17.256, "17.26"),
    ],
)
def test_plain(value: float, shown: str) -> None:
    assert text(numbers.plain(value)) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("0.00388112", "0.00388112"),
        ("109.337", "109.337"),
        ("-220349.25", "−220,349"),
        ("37702200", "37.70 M"),
    ],
)
def test_quantity(value: str, shown: str) -> None:
    assert text(numbers.quantity(Decimal(value))) == shown


@pytest.mark.parametrize(
    ("milliseconds", "shown"),
    [
        (0, "0 ms"),
        (59_000, "59 s"),
        (61_000, "1 min 1 s"),
        (3_600_000, "1 h"),
        (24_400_000, "6 h 46 min"),
        (86_400_000 * 446 + 7_200_000, "446 d"),
    ],
)
def test_duration(milliseconds: int, shown: str) -> None:
    assert numbers.span(milliseconds).replace(numbers.THIN, " ") == shown


def test_what_is_undefined_says_why_to_eye_and_ear() -> None:
    for show in (numbers.money, numbers.percent, numbers.ratio, numbers.bps, numbers.plain):
        markup = show(None, "zero_variance")
        assert 'title="every day is the same"' in markup
        assert "not defined: every day is the same" in text(markup)
    assert "not known" in numbers.count(None)
    assert "some new reason" in numbers.undefined("some_new_reason")
    assert "&lt;b&gt;" in numbers.undefined("<b>")


def test_times_are_utc_and_machine_readable() -> None:
    markup = numbers.moment(1_757_203_200_000 + 90_000)
    assert text(markup) == "2025-09-07 00:01"
    assert 'datetime="2025-09-07T00:01:30.000Z"' in markup
    assert text(numbers.last_day(1_757_289_600_000)) == "2025-09-07"
    assert text(numbers.day(datetime(2025, 9, 7, tzinfo=UTC))) == "2025-09-07"
