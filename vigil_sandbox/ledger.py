"""Money that enters or leaves the exchange, as its info API lists it per account."""

from random import Random

from vigil_sandbox.books import Account
from vigil_sandbox.decimals import text
from vigil_sandbox.markets import COINS, TOKEN_DECIMALS

USD = 10**6
"""Perp money units in one dollar."""

_COLLATERAL = {coin.dex: coin.collateral for coin in COINS}


class Ledger:
    """Books transfers into accounts and remembers each. Deposits are in 10^-6 USD."""

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self.entries: dict[str, list[dict[str, object]]] = {}

    def deposit(self, account: Account, amount: int, time_ms: int, dex: str = "") -> None:
        """Credit one clearing house; a builder's house is filled by a `send` from outside."""
        margin = account.margin(dex)
        margin.deposited += amount
        margin.raw_usd += amount
        usdc = text(amount, 6)
        delta: dict[str, object] = {"type": "deposit", "usdc": usdc}
        if dex:
            delta = {
                "type": "send",
                "sourceDex": "spot",
                "destinationDex": dex,
                "token": _COLLATERAL[dex],
                "amount": usdc,
                "usdcValue": usdc,
            }
        self._add(account, time_ms, delta)

    def withdraw(self, account: Account, amount: int, time_ms: int) -> None:
        margin = account.margin("")
        margin.withdrawn += amount
        margin.raw_usd -= amount
        nonce = time_ms - 1
        delta: dict[str, object] = {
            "type": "withdraw", "usdc": text(amount, 6), "nonce": nonce, "fee": "0.0",
        }  # fmt: skip
        self._add(account, time_ms, delta)

    def grant(self, account: Account, token: str, units: int, value: int, time_ms: int) -> None:
        """Credit a spot token: `units` of 10^-8, worth `value` of 10^-8 USD as entry cost."""
        account.balances[token] = account.balance(token) + units
        if token != "USDC":
            account.spot_costs[token] = account.spot_costs.get(token, 0) + value
        delta: dict[str, object] = {
            "type": "spotTransfer",
            "token": token,
            "amount": text(units, TOKEN_DECIMALS),
            "usdcValue": text(value, TOKEN_DECIMALS),
        }
        self._add(account, time_ms, delta)

    def _add(self, account: Account, time_ms: int, delta: dict[str, object]) -> None:
        entry = {
            "time": time_ms,
            "hash": f"0x{self._rng.getrandbits(256):064x}",
            "delta": delta,
        }
        self.entries.setdefault(account.address, []).append(entry)
