"""The codes of the desk in words."""

OUTCOMES = {
    "paper": "copied on paper",
    "live": "accepted as an intent, and copied on paper beside it",
    "trader_unknown": "nobody is followed by this number",
    "trader_inactive": "the trader was switched off",
    "token_blacklisted": "the coin is excluded",
    "token_not_in_whitelist": "the coin is not among those copied",
    "confidence_missing": "no confidence is known: the leader had fewer than 10 decided trades",
    "confidence_below_minimum": "less confidence than the settings ask for",
    "leverage_missing": "the leader's leverage is not known: no recent snapshot of his account",
    "leverage_above_maximum": "the leader's account was leveraged higher than the settings allow",
    "insufficient_capital": "the paper account had not enough free capital",
    "no_liquidity": "no print on our side within the wait",
    "pending": "waits for the tape of the next day",
    "followed": "reduced or closed what was open",
    "nothing_open": "nothing was open to reduce",
    "before_followed": "older than following; kept, never copied",
    "withdrawn": "the fills it was read from were corrected: it no longer holds",
}
ACCEPTED = frozenset({"paper", "live", "followed"})

ALERTS = {
    "drawdown_exceeded": "drawdown exceeded",
    "win_rate_below": "win rate below the limit",
    "consecutive_losses": "losing run",
}

NOT_READ = {
    "no_text": "there is no text",
    "two_coins": "names two coins",
    "reports_a_result": "tells of a result, not of a trade to make",
    "no_coin": "names no coin that is traded",
    "two_directions": "names two directions",
    "no_direction": "neither long nor short, nor a close",
    "unreadable_number": "a number in it cannot be read",
    "leverage_not_possible": "the leverage is not possible",
    "levels_contradict_direction": "targets or stop lie on the wrong side of the entry",
}


def outcome(code: str) -> str:
    """What became of a signal, in words."""
    return OUTCOMES.get(code, code.replace("_", " "))


def not_read(code: str | None) -> str:
    """Why no signal was read from a message."""
    return NOT_READ.get(code or "", (code or "").replace("_", " "))
