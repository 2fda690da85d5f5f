"""What a backtest is asked to do: read from JSON, checked, and written back in one form only."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any

from vigil_core.calendar import EARLIEST_MS, LATEST_MS, day_start_ms
from vigil_core.desk.copy_filter import FilterSettings
from vigil_core.desk.copying import Terms
from vigil_core.desk.parameters import BOUNDS, Bounds
from vigil_core.errors import InvalidBacktest

MOST_TRADERS = 500
MOST_DAYS = 1_000
MOST_TRADES = 100_000

_ADDRESS = re.compile(r"0x[0-9a-f]{40}")
_ALIASES = {"end_exclusive": "end", "config": "settings"}
_SETTING_ALIASES = {"token_filter": "token_whitelist"}
_SETTINGS = ("position_multiplier", "max_leverage", "min_confidence")
_KEYS = {
    "traders", "universe", "trades", "start", "end", "initial_capital_usd", "base_size_usd",
    "settings", "fee_bps", "slippage", "lag_s", "wait_s", "require_confidence", "require_leverage",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class StatedTrade:
    """A trade whose prices somebody states, instead of a leader's fills."""

    key: str
    coin: str
    is_long: bool
    confidence: float | None
    leverage: float | None
    entry_at: int
    entry_px: Decimal
    exit_at: int
    exit_px: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class BacktestRequest:
    """A request as it is understood. `canonical` is what is stored and hashed."""

    canonical: str
    traders: tuple[str, ...]
    label: str | None
    """Or the traders who bore it when the window began."""
    rule_set: str | None
    trades: tuple[StatedTrade, ...] | None
    first_day: date
    end_day: date
    """Not included."""
    capital_usd: Decimal
    settings: FilterSettings
    terms: Terms
    slippage_bps: Decimal | None
    """None: by the prints of the tape."""

    @property
    def start(self) -> int:
        """Ms."""
        return day_start_ms(self.first_day)

    @property
    def end(self) -> int:
        """ms, not included."""
        return day_start_ms(self.end_day)


def parse_request(given: Mapping[str, Any], bounds: Bounds = BOUNDS) -> BacktestRequest:
    """Read a request.

    Args:
        given: As JSON gives it. One of `traders` (addresses), `universe` ({label, rule_set}) and
            `trades`; `start`, `end` (dates, the end not included). The rest has defaults.
            Numbers may be JSON numbers or texts.
        bounds: Of settings.

    Raises:
        InvalidBacktest: With the field.
    """
    asked = {_ALIASES.get(name, name): value for name, value in given.items()}
    # The shorthand of the shared vectors.
    if "slippage_bps" in asked and "slippage" not in asked:
        asked["slippage"] = {"model": "fixed", "bps": asked.pop("slippage_bps")}
    for name in sorted(asked.keys() - _KEYS):
        raise InvalidBacktest(name, "is not known")
    sources = [name for name in ("traders", "universe", "trades") if asked.get(name) is not None]
    if len(sources) != 1:
        raise InvalidBacktest("traders", "give exactly one of traders, universe, trades")
    first_day, end_day = _day(asked, "start"), _day(asked, "end")
    if not 0 < (end_day - first_day).days <= MOST_DAYS:
        raise InvalidBacktest("end", f"must be after start, by at most {MOST_DAYS} days")
    form: dict[str, Any] = {
        "start": first_day.isoformat(),
        "end": end_day.isoformat(),
        "initial_capital_usd": _number(asked, "initial_capital_usd", bounds["paper_capital_usd"]),
        "base_size_usd": _number(asked, "base_size_usd", bounds["base_size_usd"]),
        "fee_bps": _limited(asked, "fee_bps", "4.5", "-10", "100"),
        "lag_s": _limited(asked, "lag_s", "2", "0", "86400"),
        "wait_s": _limited(asked, "wait_s", "60", "1", "86400"),
        "require_confidence": _boolean(asked, "require_confidence"),
        "require_leverage": _boolean(asked, "require_leverage"),
        "settings": _settings(asked.get("settings", {}), bounds),
        "slippage": _slippage(asked.get("slippage")),
    }
    trades = None
    if sources == ["trades"]:
        if form["slippage"]["model"] != "fixed":
            raise InvalidBacktest("slippage", "stated trades need a fixed one: {model, bps}")
        form["trades"] = _trades(asked["trades"], day_start_ms(first_day), day_start_ms(end_day))
        trades = tuple(_stated(trade) for trade in form["trades"])
    elif sources == ["universe"]:
        form["universe"] = _universe(asked["universe"])
    else:
        form["traders"] = _addresses(asked["traders"])
    universe = form.get("universe", {})
    settings = form["settings"]
    bps = form["slippage"].get("bps")
    return BacktestRequest(
        canonical=canonical(form),
        traders=tuple(form.get("traders", ())),
        label=universe.get("label"),
        rule_set=universe.get("rule_set"),
        trades=trades,
        first_day=first_day,
        end_day=end_day,
        capital_usd=Decimal(form["initial_capital_usd"]),
        settings=FilterSettings(
            active=settings["active"],
            paper_trade_only=settings["paper_trade_only"],
            base_size_usd=Decimal(form["base_size_usd"]),
            token_whitelist=tuple(settings["token_whitelist"]),
            token_blacklist=tuple(settings["token_blacklist"]),
            require_confidence=form["require_confidence"],
            require_leverage=form["require_leverage"],
            **{name: Decimal(settings[name]) for name in _SETTINGS},
        ),
        terms=Terms(
            fee_bps=Decimal(form["fee_bps"]),
            # At stated prices there is nothing that could move meanwhile.
            lag_ms=0 if trades is not None else int(Decimal(form["lag_s"]) * 1000),
            wait_ms=int(Decimal(form["wait_s"]) * 1000),
        ),
        slippage_bps=None if bps is None else Decimal(bps),
    )


def canonical(value: object) -> str:
    """JSON in one form only: keys sorted, no blanks, decimals as texts without an exponent."""
    return json.dumps(
        _texts(value),
        sort_keys=True,
        separators=(",", ":"),
        ensure_ascii=False,
        allow_nan=False,
    )


def decimal_text(value: Decimal) -> str:
    """Every digit, none of them needless.

    >>> [decimal_text(Decimal(text)) for text in ("1.500", "1E+3", "-0.00", "0.1")]
    ['1.5', '1000', '0', '0.1']
    """
    text = f"{value:f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in {"-0", ""} else text


def _texts(value: object) -> object:
    match value:
        case Decimal():
            return decimal_text(value)
        case Mapping():
            return {str(key): _texts(item) for key, item in value.items()}
        case list() | tuple():
            return [_texts(item) for item in value]
    return value


def _decimal(field: str, value: object) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal):
        raise InvalidBacktest(field, f"expected a number, got {value!r}")
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        raise InvalidBacktest(field, f"expected a number, got {value!r}") from None
    if not number.is_finite() or abs(number.adjusted()) > 30 or len(number.as_tuple().digits) > 40:
        raise InvalidBacktest(field, f"expected a number of usual size, got {value!r}")
    return number


def _number(asked: Mapping[str, Any], name: str, bound: Any) -> str:
    value = _decimal(name, asked.get(name, bound.default))
    if not bound.holds(value):
        raise InvalidBacktest(name, f"{value} is not in {bound.least} … {bound.most}")
    return decimal_text(value)


def _limited(asked: Mapping[str, Any], name: str, default: str, least: str, most: str) -> str:
    value = _decimal(name, asked.get(name, default))
    if not Decimal(least) <= value <= Decimal(most):
        raise InvalidBacktest(name, f"{value} is not in {least} … {most}")
    return decimal_text(value)


def _boolean(asked: Mapping[str, Any], name: str, default: bool = True) -> bool:
    value = asked.get(name, default)
    if not isinstance(value, bool):
        raise InvalidBacktest(name, f"expected true or false, got {value!r}")
    return value


def _day(asked: Mapping[str, Any], name: str) -> date:
    try:
        return date.fromisoformat(asked[name])
    except KeyError:
        raise InvalidBacktest(name, "is missing") from None
    except (TypeError, ValueError):
        raise InvalidBacktest(name, f"expected YYYY-MM-DD, got {asked[name]!r}") from None


def _settings(given: object, bounds: Bounds) -> dict[str, Any]:
    if not isinstance(given, Mapping):
        raise InvalidBacktest("settings", f"expected an object, got {given!r}")
    asked = {_SETTING_ALIASES.get(str(n), str(n)): value for n, value in given.items()}
    lists = ("token_whitelist", "token_blacklist")
    known = {*_SETTINGS, *lists, "active", "paper_trade_only"}
    for name in sorted(asked.keys() - known):
        raise InvalidBacktest(f"settings.{name}", "is not known")
    return {
        **{name: _number(asked, name, bounds[name]) for name in _SETTINGS},
        **{name: _tokens(name, asked.get(name, [])) for name in lists},
        "active": _boolean(asked, "active"),
        "paper_trade_only": _boolean(asked, "paper_trade_only"),
    }


def _tokens(name: str, given: object) -> list[str]:
    if not isinstance(given, list) or not all(isinstance(t, str) and t.strip() for t in given):
        raise InvalidBacktest(f"settings.{name}", f"expected a list of tokens, got {given!r}")
    return sorted({token.strip() for token in given})


def _slippage(given: object) -> dict[str, str]:
    if given is None:
        return {"model": "tape"}
    if not isinstance(given, Mapping) or given.get("model") not in {"tape", "fixed"}:
        raise InvalidBacktest("slippage", "expected {model: tape} or {model: fixed, bps: …}")
    if given["model"] == "tape":
        if given.keys() != {"model"}:
            raise InvalidBacktest("slippage", "the tape's own takes no parameter")
        return {"model": "tape"}
    if given.keys() != {"model", "bps"}:
        raise InvalidBacktest("slippage", "a fixed one takes bps, and no other parameter")
    return {"model": "fixed", "bps": _limited(given, "bps", "0", "0", "1000")}


def _universe(given: object) -> dict[str, str]:
    if not isinstance(given, Mapping) or given.keys() != {"label", "rule_set"}:
        raise InvalidBacktest("universe", "expected {label, rule_set}")
    if not all(isinstance(value, str) and value for value in given.values()):
        raise InvalidBacktest("universe", "label and rule_set are texts")
    return {"label": str(given["label"]), "rule_set": str(given["rule_set"])}


def _addresses(given: object) -> list[str]:
    if not isinstance(given, list) or not given:
        raise InvalidBacktest("traders", "expected a list of addresses")
    found = sorted({str(address).strip().lower() for address in given})
    for address in found:
        if not _ADDRESS.fullmatch(address):
            raise InvalidBacktest("traders", f"{address!r} is no address")
    if len(found) > MOST_TRADERS:
        raise InvalidBacktest("traders", f"at most {MOST_TRADERS}, got {len(found)}")
    return found


def _trades(given: object, start: int, end: int) -> list[dict[str, Any]]:
    if not isinstance(given, list) or len(given) > MOST_TRADES:
        raise InvalidBacktest("trades", f"expected a list of at most {MOST_TRADES} trades")
    found = [_trade(f"trades[{n}]", trade, start, end) for n, trade in enumerate(given)]
    if len({trade["id"] for trade in found}) < len(found):
        raise InvalidBacktest("trades", "two have the same id")
    return found


def _trade(field: str, given: object, start: int, end: int) -> dict[str, Any]:
    if not isinstance(given, Mapping):
        raise InvalidBacktest(field, f"expected an object, got {given!r}")
    known = {"id", "token", "side", "confidence", "leverage"}
    known |= {f"{side}_{what}" for side in ("entry", "exit") for what in ("date", "time", "px")}
    for name in sorted(given.keys() - known):
        raise InvalidBacktest(f"{field}.{name}", "is not known")
    if given.get("side") not in {"long", "short"}:
        raise InvalidBacktest(f"{field}.side", "expected long or short")
    if not isinstance(given.get("token"), str) or not given["token"].strip():
        raise InvalidBacktest(f"{field}.token", "is missing")
    trade: dict[str, Any] = {
        "id": str(given.get("id", field)),
        "token": given["token"].strip(),
        "side": given["side"],
    }
    for name in ("confidence", "leverage"):
        value = given.get(name)
        trade[name] = None if value is None else decimal_text(_decimal(f"{field}.{name}", value))
    for side in ("entry", "exit"):
        px = _decimal(f"{field}.{side}_px", given.get(f"{side}_px"))
        if px <= 0:
            raise InvalidBacktest(f"{field}.{side}_px", "must be above 0")
        trade[f"{side}_px"] = decimal_text(px)
        trade[f"{side}_time"] = _instant(field, side, given)
    if not start <= trade["entry_time"] < end:
        raise InvalidBacktest(f"{field}.entry_time", "lies outside the window")
    if trade["exit_time"] < trade["entry_time"]:
        raise InvalidBacktest(f"{field}.exit_time", "lies before the entry")
    return trade


def _instant(field: str, side: str, given: Mapping[str, Any]) -> int:
    """ms; of a date, its first."""
    time = given.get(f"{side}_time")
    if time is None:
        return day_start_ms(_day({field: given.get(f"{side}_date")}, field))
    if not isinstance(time, int) or isinstance(time, bool) or not EARLIEST_MS <= time < LATEST_MS:
        raise InvalidBacktest(f"{field}.{side}_time", f"expected ms since the epoch, got {time!r}")
    return time


def _stated(trade: Mapping[str, Any]) -> StatedTrade:
    return StatedTrade(
        key=trade["id"],
        coin=trade["token"],
        is_long=trade["side"] == "long",
        confidence=None if trade["confidence"] is None else float(trade["confidence"]),
        leverage=None if trade["leverage"] is None else float(trade["leverage"]),
        entry_at=trade["entry_time"],
        entry_px=Decimal(trade["entry_px"]),
        exit_at=trade["exit_time"],
        exit_px=Decimal(trade["exit_px"]),
    )
