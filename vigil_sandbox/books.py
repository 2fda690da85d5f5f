"""What each trader owns and owes. Everything is an integer, so nothing is ever lost to rounding.

Perp money counts 10^-6 USD, spot balances 10^-8 of their token. No prices are known here
beyond those handed in.
"""

from dataclasses import dataclass, field

from vigil_sandbox.decimals import quotient
from vigil_sandbox.markets import Coin


@dataclass(slots=True)
class Position:
    """One trader's position in one perp. Kept after it closes, for its funding history."""

    size: int = 0
    cost: int = 0
    """Signed price of the open size, 10^-6 USD: what it was bought for, or minus what it was
    sold for."""

    funding_paid: int = 0
    funding_paid_since_open: int = 0
    funding_paid_since_change: int = 0


@dataclass(slots=True)
class Margin:
    """One trader's collateral in one clearing house, all in 10^-6 USD.

    `raw_usd` follows the cash: prices paid and received in full. The other sums describe the
    same history as deposits, profits and costs; that both agree is what the books must prove.
    """

    raw_usd: int = 0
    deposited: int = 0
    withdrawn: int = 0
    closed_pnl: int = 0
    fees: int = 0
    funding: int = 0
    """Received when positive."""


@dataclass(slots=True, eq=False)
class Account:
    """One trader."""

    address: str
    taker_rate: int = 450
    """Perp fee in 10^-6 of the notional: 450 is 4.5 basis points."""

    maker_rate: int = 150
    spot_taker_rate: int = 700
    spot_maker_rate: int = 400
    leverage: int = 5
    pays_no_fee: bool = False
    names_orders: bool = False
    """Sends a client order id with each order."""

    builder: str | None = None
    builder_rate: int = 0
    """Extra fee in 10^-6; 0 with a builder set leaves `builderFee` out of the fill."""

    has_float_noise: bool = False
    """The node prints some of its start positions as binary floats."""

    margins: dict[str, Margin] = field(default_factory=dict)
    positions: dict[str, Position] = field(default_factory=dict)
    balances: dict[str, int] = field(default_factory=dict)
    spot_costs: dict[str, int] = field(default_factory=dict)
    """What the held spot tokens were bought for, 10^-8 USD."""

    def margin(self, dex: str) -> Margin:
        if dex not in self.margins:
            self.margins[dex] = Margin()
        return self.margins[dex]

    def size(self, coin: Coin) -> int:
        """The signed perp position, in size units."""
        position = self.positions.get(coin.name)
        return position.size if position else 0

    def balance(self, token: str) -> int:
        return self.balances.get(token, 0)

    def spot_lots(self, coin: Coin) -> int:
        """How much of a spot coin can be sold, in size units."""
        return self.balance(coin.base_token) // coin.token_units(1)

    def apply_perp(self, coin: Coin, signed_size: int, price: int, fee: int) -> tuple[int, int]:
        """Book one leg, and give the start position and the closed PnL (10^-6 USD).

        The closed part takes its share of the average cost along, to the nearest 10^-6 USD; a
        fill through zero closes all and opens the rest at its own price.
        """
        position = self.positions.get(coin.name)
        if position is None:
            position = self.positions[coin.name] = Position()
        start = position.size
        value = signed_size * price
        closed_pnl = 0
        if start == 0 or (start > 0) == (signed_size > 0):
            position.cost += value
        elif abs(signed_size) <= abs(start):
            cost = quotient(position.cost * abs(signed_size), abs(start))
            closed_pnl = -value - cost
            position.cost -= cost
        else:
            closed_pnl = start * price - position.cost
            position.cost = (start + signed_size) * price
        position.size = start + signed_size
        position.funding_paid_since_change = 0
        if start == 0 or (start > 0) != (position.size > 0):
            position.funding_paid_since_open = 0

        margin = self.margin(coin.dex)
        margin.raw_usd -= value + fee
        margin.closed_pnl += closed_pnl
        margin.fees += fee
        return start, closed_pnl

    def apply_spot(
        self, coin: Coin, signed_size: int, price: int, fee: int, fee_token: str
    ) -> tuple[int, int]:
        """Book one spot leg, and give the start balance and the closed PnL (both 10^-8)."""
        return self.apply_spot_units(
            coin, coin.token_units(signed_size), signed_size * price, fee, fee_token
        )

    def apply_spot_units(
        self, coin: Coin, units: int, value: int, fee: int, fee_token: str
    ) -> tuple[int, int]:
        token = coin.base_token
        start = self.balances.get(token, 0)
        cost = self.spot_costs.get(token, 0)
        closed_pnl = 0
        if units > 0:
            self.spot_costs[token] = cost + value
        else:
            sold_cost = quotient(cost * -units, start) if start > 0 else 0
            self.spot_costs[token] = cost - sold_cost
            closed_pnl = -value - sold_cost
        self.balances[token] = start + units
        self.balances["USDC"] = self.balances.get("USDC", 0) - value
        self.balances[fee_token] = self.balances.get(fee_token, 0) - fee
        return start, closed_pnl

    def pay_funding(self, coin: Coin, paid: int) -> None:
        """Charge one hour's funding, 10^-6 USD; negative is received."""
        position = self.positions[coin.name]
        position.funding_paid += paid
        position.funding_paid_since_open += paid
        position.funding_paid_since_change += paid
        margin = self.margin(coin.dex)
        margin.funding -= paid
        margin.raw_usd -= paid
