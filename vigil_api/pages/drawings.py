"""Small drawings that need no script: sparklines and bars as SVG."""

from collections.abc import Sequence
from typing import Any

from markupsafe import Markup

WIDTH, HEIGHT = 120, 26
DAYS = 180


def sparkline(row: dict[str, Any], span: int = DAYS) -> Markup:
    """The gathered result of a published trader over the last `span` days, 180 at most."""
    days: Sequence[int] = row["curve_days"]
    values: Sequence[float] = row["curve_usd"]
    if not days:
        return Markup('<span class="vh">no curve</span>')
    start: float = row["curve_before_usd"]
    gained = values[-1] - start
    width = max(min(span, DAYS), days[0])
    low, high = min(start, *values), max(start, *values)
    scale = (HEIGHT - 4) / (high - low) if high > low else 0

    def y(value: float) -> str:
        return f"{HEIGHT - 2 - (value - low) * scale:.1f}"

    path = [f"M{WIDTH - days[0] * WIDTH / width:.1f} {y(start)}"]
    for ago, value in zip(days, values, strict=True):
        path.append(f"L{WIDTH - (ago - 1) * WIDTH / width:.1f} {y(value)}")
    if days[-1] > 1:
        path.append(f"H{WIDTH}")
    tone = "gain" if gained > 0 else "loss" if gained < 0 else "flat"
    sign = "+" if gained > 0 else "\N{MINUS SIGN}" if gained < 0 else ""
    said = f"{days[0]} days: {sign}{abs(gained):,.0f} USD"
    return Markup(  # nosec B704 # of numbers and our own words
        f'<svg class="spark {tone}" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{said}">'
        f'<title>{said}</title><path class="zero" d="M0 {y(start)}H{WIDTH}"/>'
        f'<path d="{"".join(path)}"/></svg>'
    )


def bar(share: float | None, *, tone: str = "") -> Markup:
    """A share of 1 as a horizontal bar."""
    width = 0 if share is None else max(0.0, min(1.0, share)) * 100
    return Markup(
        '<svg class="bar {}" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">'
        '<rect class="track" width="100" height="8"/><rect class="fill" width="{:.1f}" height="8"/>'
        "</svg>"
    ).format(tone, width)


def lean(bias: Any) -> Markup:
    """From all short (-1) to all long (1), out of the middle."""
    value = 0.0 if bias is None else float(bias)
    return Markup(
        '<svg class="bar lean {}" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true"'
        '><rect class="track" width="100" height="8"/>'
        '<rect class="fill" x="{:.1f}" width="{:.1f}" height="8"/>'
        '<rect class="middle" x="49.5" width="1" height="8"/></svg>'
    ).format("loss" if value < 0 else "gain", 50 + min(value, 0) * 50, abs(value) * 50)
