"""Exact numbers: integers of a known scale, and their text as the exchange prints it."""

_POWERS = tuple(10**exponent for exponent in range(31))


def text(value: int, decimals: int) -> str:
    """The shortest decimal text of `value` / 10^`decimals`, always with a point.

    >>> text(255, 0), text(15021, 5), text(-402645, 6), text(0, 6)
    ('255.0', '0.15021', '-0.402645', '0.0')
    """
    sign = "-" if value < 0 else ""
    whole, part = divmod(abs(value), _POWERS[decimals])
    if part == 0:
        return f"{sign}{whole}.0"
    return f"{sign}{whole}.{str(part).zfill(decimals).rstrip('0')}"


def quotient(numerator: int, denominator: int) -> int:
    """The nearest integer, halves to the even one. `denominator` is positive.

    >>> quotient(5, 2), quotient(7, 2), quotient(-7, 4)
    (2, 4, -2)
    """
    below, rest = divmod(numerator, denominator)
    twice = 2 * rest
    if twice > denominator or (twice == denominator and below % 2 == 1):
        return below + 1
    return below


def toward_zero(numerator: int, denominator: int) -> int:
    """The quotient with its fraction cut off, as the exchange rounds fees.

    >>> toward_zero(7, 2), toward_zero(-7, 2)
    (3, -3)
    """
    return numerator // denominator if numerator >= 0 else -(-numerator // denominator)
