"""The exchange: who has an account, and what one trade does to both sides.

Who trades with whom, when and why is decided elsewhere.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random

from vigil_sandbox.books import Account
from vigil_sandbox.decimals import toward_zero
from vigil_sandbox.ledger import Ledger
from vigil_sandbox.markets import COIN_BY_NAME, TOKEN_DECIMALS, Coin
from vigil_sandbox.prices import PricePath
from vigil_sandbox.tape import Leg, Liquidation, Tape, Trade

_RATE_UNIT = 10**6
_FIRST_OID = 147_000_000_000
_FREE_OIDS = 100
"""More trades than any one order makes."""

_NOISE_SHARE = 0.02
"""Share of an affected account's legs whose start position is printed as a binary float."""

_BUILDER_PERP_SURCHARGE = 2
"""Markets of other dexes cost twice the core rate, the deployer's part included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What a taker sent; all its fills share these names."""

    taker: Account
    buys: bool
    oid: int
    cloid: str | None
    order_hash: str
    twap_id: int | None = None


class Exchange:
    """Accounts, order names and the books of every trade."""

    def __init__(
        self,
        *,
        seed: int,
        paths: Mapping[str, PricePath],
        tape: Tape,
        on_trade: Callable[[Trade, int], None],
    ) -> None:
        self._address_rng = Random(f"{seed}/addresses")  # nosec B311 # a world repeats by its seed
        self._rng = Random(f"{seed}/orders")  # nosec B311 # a world repeats by its seed
        self._tape = tape
        self._on_trade = on_trade
        self._oid = _FIRST_OID
        self._resting_oid = _FIRST_OID
        self._resting: dict[tuple[str, str, bool], tuple[int, str | None]] = {}
        self.paths = paths
        self.accounts: dict[str, Account] = {}
        self.ledger = Ledger(Random(f"{seed}/ledger"))  # nosec B311 # a world repeats by its seed
        self.spot_fees: dict[str, int] = {}
        """Collected per token, 10^-8; so that spot tokens can be counted to the last one."""

        self.now_ms = 0

    def open_account(self, address: str = "") -> Account:
        """A new account; without an address, one that shows it is simulated."""
        address = address or self.new_address()
        account = self.accounts[address] = Account(address=address)
        return account

    def new_address(self) -> str:
        return f"0x51b0{self._address_rng.getrandbits(144):036x}"

    def equity(self, account: Account, dex: str = "") -> int:
        """Account value at the mark prices of the running minute, 10^-6 USD."""
        value = account.margin(dex).raw_usd
        for name, position in account.positions.items():
            if position.size and COIN_BY_NAME[name].dex == dex:
                value += position.size * self.paths[name].mark(self.now_ms)
        return value

    def order(
        self,
        taker: Account,
        *,
        buys: bool,
        twap_id: int | None = None,
        is_system: bool = False,
    ) -> Order:
        """Name an order. System orders and TWAP slices have no transaction of their own."""
        block = self._tape.block_at(self.now_ms)
        has_hash = twap_id is None and not is_system
        order_hash = ""
        if has_hash:
            head = self._rng.getrandbits(80)
            tail = self._rng.getrandbits(136)
            order_hash = f"0x{head:020x}04{block.number:08x}{tail:034x}"
        return Order(
            taker=taker,
            buys=buys,
            oid=self._new_taker_oid(),
            cloid=self._new_cloid() if taker.names_orders and has_hash else None,
            order_hash=order_hash,
            twap_id=twap_id,
        )

    def trade(
        self,
        order: Order,
        *,
        maker: Account,
        coin: Coin,
        size: int,
        price: int,
        label: str | None = None,
        liquidation: Liquidation | None = None,
    ) -> Trade:
        """Book one trade on both sides and put it on the tape.

        A `label` replaces both legs' `dir` and marks a transfer outside the book, which costs
        no fee.
        """
        resting_oid, resting_cloid = self._resting_order(maker, coin, buys=not order.buys)
        block = self._tape.block_at(self.now_ms)
        taker_leg = self._leg(
            order.taker,
            coin,
            order.buys,
            size,
            price,
            oid=order.oid,
            crossed=True,
            label=label,
        )
        maker_leg = self._leg(
            maker,
            coin,
            not order.buys,
            size,
            price,
            oid=resting_oid,
            crossed=False,
            label=label,
        )
        taker_leg.cloid = order.cloid
        taker_leg.twap_id = order.twap_id
        if label is None:
            maker_leg.cloid = resting_cloid
        trade = Trade(
            coin=coin,
            price=price,
            size=size,
            size_decimals=coin.size_decimals,
            order_hash=order.order_hash,
            tid=self._rng.getrandbits(50) | 1,
            buyer=taker_leg if order.buys else maker_leg,
            seller=maker_leg if order.buys else taker_leg,
            liquidation=liquidation,
        )
        block.trades.append(trade)
        self._on_trade(trade, block.time_ms)
        return trade

    def convert_dust(self, order: Order, account: Account, coin: Coin, price: int) -> int:
        """Take all of an account's tokens in one leg, and give how many 10^-8 there were."""
        units = account.balance(coin.base_token)
        value = units * price // 10**coin.price_decimals
        start, _ = account.apply_spot_units(coin, -units, -value, 0, "USDC")
        block = self._tape.block_at(self.now_ms)
        leg = Leg(
            trader=account.address, oid=order.oid, crossed=True, start=start,
            start_decimals=TOKEN_DECIMALS, direction="Spot Dust Conversion", closed_pnl=0,
            fee=0, fee_decimals=TOKEN_DECIMALS, fee_token="USDC",
        )  # fmt: skip
        trade = Trade(
            coin=coin, price=price, size=units, size_decimals=TOKEN_DECIMALS, order_hash="",
            tid=0, buyer=None, seller=leg,
        )  # fmt: skip
        block.trades.append(trade)
        self._on_trade(trade, block.time_ms)
        return units

    def _leg(
        self,
        account: Account,
        coin: Coin,
        buys: bool,
        size: int,
        price: int,
        *,
        oid: int,
        crossed: bool,
        label: str | None,
    ) -> Leg:
        signed_size = size if buys else -size
        is_spot = coin.kind == "spot"
        rate = 0 if label or account.pays_no_fee else _rate(account, coin, crossed)
        has_builder = bool(account.builder) and label is None and rate > 0
        builder_rate = account.builder_rate if has_builder else 0
        # The token received pays a fee, the token given away pays a rebate.
        in_base = is_spot and buys == (rate >= 0)
        fee_token = coin.base_token if in_base else "USDC" if is_spot else coin.collateral
        base = coin.token_units(size) if in_base else size * price
        builder_fee = toward_zero(base * builder_rate, _RATE_UNIT)
        fee = toward_zero(base * rate, _RATE_UNIT) + builder_fee
        if is_spot:
            start, closed_pnl = account.apply_spot(coin, signed_size, price, fee, fee_token)
            self.spot_fees[fee_token] = self.spot_fees.get(fee_token, 0) + fee
            direction = "Buy" if buys else "Sell"
            # The exchange shows a spot profit only where tokens are sold.
            closed_pnl = 0 if buys else closed_pnl
        else:
            start, closed_pnl = account.apply_perp(coin, signed_size, price, fee)
            direction = label or perp_direction(start, signed_size)
        has_noise = account.has_float_noise and self._rng.random() < _NOISE_SHARE
        return Leg(
            trader=account.address,
            oid=oid,
            crossed=crossed,
            start=start,
            start_decimals=TOKEN_DECIMALS if is_spot else coin.size_decimals,
            direction=direction,
            closed_pnl=closed_pnl,
            fee=fee,
            fee_decimals=coin.money_decimals,
            fee_token=fee_token,
            builder=account.builder if has_builder else None,
            builder_fee=builder_fee,
            has_float_noise=has_noise,
        )

    def _resting_order(self, maker: Account, coin: Coin, *, buys: bool) -> tuple[int, str | None]:
        """A maker's order in the book; about every second fill finds the one before it."""
        key = (maker.address, coin.name, buys)
        resting = self._resting.get(key)
        if resting is None or self._rng.random() < 0.5:
            cloid = self._new_cloid() if maker.names_orders else None
            resting = self._resting[key] = (self._new_resting_oid(), cloid)
        return resting

    def _new_taker_oid(self) -> int:
        # A resting order is older than the one that hits it, so numbers are left free below.
        self._oid += _FREE_OIDS + self._rng.randrange(900)
        self._resting_oid = self._oid
        return self._oid

    def _new_resting_oid(self) -> int:
        self._resting_oid -= 1
        return self._resting_oid

    def _new_cloid(self) -> str:
        return f"0x{self._rng.getrandbits(128):032x}"


def perp_direction(start: int, signed_size: int) -> str:
    """The exchange's label of an ordinary perp leg: a function of position and size alone.

    >>> perp_direction(5, -7), perp_direction(-5, 5), perp_direction(0, -1)
    ('Long > Short', 'Close Short', 'Open Short')
    """
    end = start + signed_size
    if signed_size > 0:
        if start >= 0:
            return "Open Long"
        return "Close Short" if end <= 0 else "Short > Long"
    if start <= 0:
        return "Open Short"
    return "Close Long" if end >= 0 else "Long > Short"


def _rate(account: Account, coin: Coin, crossed: bool) -> int:
    if coin.kind == "spot":
        return account.spot_taker_rate if crossed else account.spot_maker_rate
    rate = account.taker_rate if crossed else account.maker_rate
    return rate * _BUILDER_PERP_SURCHARGE if coin.dex and rate > 0 else rate
