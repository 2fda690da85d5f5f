"""What an update of the exchange's ledger does to the money behind an account's perps."""

from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

Delta = Mapping[str, Any]
"""An update as the info API writes it: numbers are text, addresses of any case."""


def core_flow_usd(user: str, delta: Delta) -> Decimal | None:
    """What came into the account's core clearing house, USD; negative is what left it.

    That house alone holds the `accountValue` that returns are measured on. What moves in spot,
    in staking or on a builder's dex is 0. None where an update does not tell, or is of a kind
    that is not known: whoever adds flows up then knows that the sum is not.

    Args:
        user: The account whose ledger it is, lower case.
        delta: The update, with its `type`.

    >>> core_flow_usd("0xa", {"type": "withdraw", "usdc": "99", "fee": "1"})
    Decimal('-100')
    """
    rule = _RULES.get(str(delta.get("type")))
    if rule is None:
        return None
    try:
        return rule(user, delta)
    except (KeyError, TypeError, InvalidOperation):
        return None


def _usd(delta: Delta, *names: str) -> Decimal:
    """The sum of fields that have to be there."""
    amounts = [Decimal(delta[name]) for name in names]
    if not all(amount.is_finite() for amount in amounts):
        raise InvalidOperation
    return sum(amounts, Decimal(0))


def _fee(delta: Delta) -> Decimal:
    return _usd(delta, "fee") if "fee" in delta else Decimal(0)


def _is_user(user: str, delta: Delta, role: str) -> bool:
    return str(delta[role]).lower() == user


def _nothing(user: str, delta: Delta) -> Decimal:  # noqa: ARG001
    return Decimal(0)


def _received(user: str, delta: Delta) -> Decimal:  # noqa: ARG001
    return _usd(delta, "usdc")


def _withdrawn(user: str, delta: Delta) -> Decimal:  # noqa: ARG001
    # Taken to be what arrives, the fee beside it: no recorded withdrawal shows it.
    return -_usd(delta, "usdc") - _fee(delta)


def _between_classes(user: str, delta: Delta) -> Decimal:  # noqa: ARG001
    amount = _usd(delta, "usdc")
    return amount if delta["toPerp"] is True else -amount


def _between_accounts(user: str, delta: Delta) -> Decimal:
    amount = _usd(delta, "usdc")
    if _is_user(user, delta, "destination"):
        return amount
    return -amount - _fee(delta)


def _sent(user: str, delta: Delta) -> Decimal:
    """Between houses of one account, or to another's; `""` is the core house."""
    amount = _usd(delta, "usdcValue")
    sender = str(delta.get("user", user)).lower()
    receiver = str(delta.get("destination", sender)).lower()
    arrived = amount if receiver == user and delta["destinationDex"] == "" else Decimal(0)
    left = amount + _fee(delta) if sender == user and delta["sourceDex"] == "" else Decimal(0)
    return arrived - left


def _into_vault(user: str, delta: Delta) -> Decimal:
    amount = _usd(delta, "usdc")
    return amount if _is_user(user, delta, "vault") else -amount - _fee(delta)


def _out_of_vault(user: str, delta: Delta) -> Decimal | None:
    # What the vault itself is left with depends on costs that are shared with its leader.
    return None if _is_user(user, delta, "vault") else _usd(delta, "netWithdrawnUsd")


def _distributed(user: str, delta: Delta) -> Decimal:
    amount = _usd(delta, "usdc")
    return -amount if _is_user(user, delta, "vault") else amount


_RULES: dict[str, Callable[[str, Delta], Decimal | None]] = {
    "deposit": _received,
    "withdraw": _withdrawn,
    "accountClassTransfer": _between_classes,
    "internalTransfer": _between_accounts,
    "subAccountTransfer": _between_accounts,
    "send": _sent,
    "vaultCreate": _into_vault,
    "vaultDeposit": _into_vault,
    "vaultWithdraw": _out_of_vault,
    "vaultDistribution": _distributed,
    "vaultLeaderCommission": _received,
    # Its fills say what was lost.
    "liquidation": _nothing,
    "spotTransfer": _nothing,
    "spotGenesis": _nothing,
    "cStakingTransfer": _nothing,
    "activateDexAbstraction": _nothing,
}
"""By type. Not told: whether a claimed reward, a gas auction or a loan moves perps' money."""
