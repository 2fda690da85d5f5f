"""Forms of the desk: texts a browser sends, made into what the API's schemas take, and back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Annotated, Any
from urllib.parse import parse_qsl

from fastapi import Depends
from pydantic import ValidationError
from starlette.requests import Request

from vigil_api.problems import Problem
from vigil_api.schemas import Models, SettingsIn
from vigil_core.desk.backtest_request import decimal_text
from vigil_core.desk.parameters import Bounds
from vigil_resources.desk.traders import Trader, TraderSettings

MOST_FIELDS = 2_000

MODES = ("all", "only", "but")
"""Which coins: all, only those ticked, all but those ticked."""

_TEXTS = {
    "name": "Name: 1 to 80 characters on one line",
    "note": "Note: at most 2,000 characters",
    "coins": "Coins: at most 500, each as the exchange writes it",
    "state": "State: evaluating or paper",
}
_LABELS = {
    "name": "Name",
    "note": "Note",
    "state": "State",
    "coin_mode": "Which coins",
    "coins": "Coins",
    "pause_automatically": "Pause by itself",
}
_WHOLE = {
    "priority",
    "win_rate_min_trades",
    "consecutive_losses_limit",
    "promotion_days",
    "promotion_trades",
}
_OPTIONAL = {"drawdown_limit", "win_rate_limit", "consecutive_losses_limit"}


class Form:
    """What a browser sent."""

    def __init__(self, pairs: Sequence[tuple[str, str]]) -> None:
        self._pairs = list(pairs)

    def one(self, name: str) -> str:
        """The last of that name, without blanks around it; empty where there is none."""
        return next((value.strip() for key, value in reversed(self._pairs) if key == name), "")

    def all(self, name: str) -> list[str]:
        """All of that name, in order."""
        return [value.strip() for key, value in self._pairs if key == name and value.strip()]

    def number(self, name: str) -> int:
        """A number that the page put there. Raises `Problem`."""
        text = self.one(name)
        if not text.isdecimal() or len(text) > 18:
            raise Problem("bad-request", f"the form has no {name}")
        return int(text)


def _form(request: Request) -> Form:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    body: bytes = request.scope["body"]
    if body and kind != "application/x-www-form-urlencoded":
        raise Problem("bad-request", "expected a form")
    try:
        pairs = parse_qsl(
            body.decode(), keep_blank_values=True, max_num_fields=MOST_FIELDS, errors="strict"
        )
    except ValueError as error:
        raise Problem("bad-request", "the form cannot be read") from error
    return Form([(name, value.replace("\r\n", "\n")) for name, value in pairs])


Posted = Annotated[Form, Depends(_form)]
"""The form of a request."""


@dataclass(slots=True)
class SettingsForm:
    """The settings of a trader as a form shows them: texts, and what is wrong with which."""

    values: dict[str, str]
    """By field; what is off is empty."""
    coin_mode: str
    coins: list[str]
    pause_automatically: bool
    dropped: list[str] = field(default_factory=list)
    """Of a second list, which one list with one mode cannot show: saving lets go of it."""
    errors: dict[str, str] = field(default_factory=dict)

    def value(self, name: str) -> str:
        """Text of a field."""
        return self.values.get(name, "")


def shown(settings: Trader | TraderSettings) -> SettingsForm:
    """A form that, saved as it is, changes nothing."""
    names = TraderSettings.__dataclass_fields__
    values = {name: _text(getattr(settings, name)) for name in names}
    only, but = list(settings.token_whitelist), list(settings.token_blacklist)
    return SettingsForm(
        values=values,
        coin_mode="only" if only else "but" if but else "all",
        coins=only or but,
        pause_automatically=settings.pause_automatically,
        dropped=but if only else [],
    )


def posted(form: Form) -> SettingsForm:
    """A form as somebody filled it in."""
    names = TraderSettings.__dataclass_fields__
    more = form.one("more_coins").replace(",", " ").split()
    mode = form.one("coin_mode")
    return SettingsForm(
        values={name: form.one(name) for name in names},
        coin_mode=mode if mode in MODES else "all",
        coins=list(dict.fromkeys([*form.all("coins"), *more])),
        pause_automatically=form.one("pause_automatically") == "1",
    )


def settings_of(form: SettingsForm, models: Models, bounds: Bounds) -> TraderSettings | None:
    """The settings that a form says; None with `errors` where it says none that may be."""
    body = _body(form)
    if form.coin_mode == "only" and not form.coins:
        form.errors["coins"] = "Coins: only these, and none is ticked; no signal would be copied"
    try:
        found = models.settings.model_validate(body)
    except ValidationError as error:
        for part in error.errors():
            name = str(part["loc"][0])
            name = "coins" if name.startswith("token_") else name
            form.errors.setdefault(name, _said(name, part["msg"], bounds))
        return None
    assert isinstance(found, SettingsIn)
    return None if form.errors else found.settings()


def _body(form: SettingsForm) -> dict[str, Any]:
    body: dict[str, Any] = {
        "name": form.value("name"),
        "note": form.value("note"),
        "pause_automatically": form.pause_automatically,
        "token_whitelist": form.coins if form.coin_mode == "only" else [],
        "token_blacklist": form.coins if form.coin_mode == "but" else [],
    }
    if form.value("state"):
        body["state"] = form.value("state")
    for name in TraderSettings.__dataclass_fields__:
        if name not in body and name != "state":
            body[name] = _value(name, form.value(name))
    return body


def _value(name: str, text: str) -> Any:
    if not text:
        return None if name in _OPTIONAL else text
    if name.endswith("_usd"):
        return text.replace(",", "").replace(" ", "")
    try:
        return int(text) if name in _WHOLE else float(text)
    except ValueError:
        return text


def _said(name: str, message: str, bounds: Bounds) -> str:
    if name in bounds:
        bound = bounds[name]
        unit = f" {bound.unit}" if bound.unit else ""
        whole = "a whole number" if name in _WHOLE else "a number"
        off = ", or nothing" if name in _OPTIONAL else ""
        return f"{bound.label}: {whole} from {bound.least:,f} to {bound.most:,f}{unit}{off}"
    return _TEXTS.get(name, f"{_LABELS.get(name, name)}: {message}")


def label_of(name: str, bounds: Bounds) -> str:
    """What a column of the settings is called on pages."""
    if name in bounds:
        return bounds[name].label
    labels = _LABELS | {
        "token_whitelist": "Only these coins",
        "token_blacklist": "All but these coins",
        "active": "Switched on",
        "paper_trade_only": "Paper only",
        "archived_at": "Archived",
        "user_address": "Address",
    }
    return labels.get(name, name.replace("_", " ").capitalize())


def differences(
    mine: SettingsForm, theirs: SettingsForm, bounds: Bounds
) -> list[tuple[str, str, str]]:
    """Label, what was about to be saved, and what is there: of each field that differs."""
    pairs = {
        name: (mine.value(name), theirs.value(name))
        for name in TraderSettings.__dataclass_fields__
        if not name.startswith("token_") and name != "pause_automatically"
    }
    pairs["pause_automatically"] = (
        _yes(mine.pause_automatically),
        _yes(theirs.pause_automatically),
    )
    pairs["coins"] = (_coins(mine), _coins(theirs))
    return [
        (label_of(name, bounds), a or "off", b or "off")
        for name, (a, b) in pairs.items()
        if _comparable(a) != _comparable(b) and (name != "state" or a)
    ]


def _coins(form: SettingsForm) -> str:
    words = {"all": "all", "only": "only ", "but": "all but "}[form.coin_mode]
    return words + (", ".join(sorted(form.coins)) if form.coin_mode != "all" else "")


def _comparable(text: str) -> str:
    try:
        return decimal_text(Decimal(text.replace(",", "")))
    except ArithmeticError:
        return text


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _text(value: Any) -> str:
    if value is None:
        return ""
    return decimal_text(value) if isinstance(value, Decimal) else str(value)


def said(value: Any) -> str:
    """A value of the settings' history as people read it."""
    match value:
        case None:
            return "off"
        case bool():
            return _yes(value)
        case list():
            return ", ".join(map(str, value)) or "none"
        case Mapping():
            return str(dict(value))
        case "":
            return "empty"
    return str(value)
