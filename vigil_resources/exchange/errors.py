"""What may go wrong between us and the exchange's API."""

import json

from vigil_core.errors import VigilError

_SHOWN = 300
"""Characters of a request or an answer that an error quotes."""


class ExchangeRefused(VigilError):
    """The exchange understood that it was asked, and refused: asking again would not help."""

    def __init__(self, request: object, status: int, answer: str) -> None:
        self.status = status
        super().__init__(f"{short(request)} was refused with HTTP {status}: {answer}")


class ExchangeSilent(VigilError):
    """No attempt brought an answer, for as long as Vigil keeps trying."""

    def __init__(self, request: object, attempts: int, seconds: float, last: str) -> None:
        self.attempts = attempts
        self.last = last
        super().__init__(
            f"{short(request)} had no answer in {attempts} attempts over {seconds:.0f} s; "
            f"the last one: {last}"
        )


class UnexpectedAnswer(VigilError):
    """An answer came, and it is not what the API is documented to give; none of it was used."""

    def __init__(self, request: object, what: str) -> None:
        super().__init__(f"the answer to {short(request)} is not as documented: {what}")


class CrowdedInstant(VigilError):
    """One millisecond may hold more rows than a page, and pages begin at milliseconds only."""

    def __init__(self, request: object, time_ms: int, rows: int) -> None:
        super().__init__(
            f"{short(request)}: a whole page of {rows} rows has the one time stamp {time_ms}, "
            "so the rows behind them cannot be asked for; nothing was kept"
        )


def short(value: object) -> str:
    """As an error quotes it: text, or JSON, cut."""
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    # Half a surrogate pair can be neither printed nor kept.
    text = text.encode("utf-8", "backslashreplace").decode()
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"
