"""What really happened, for tests to compare with: never an input to the pipeline."""

from vigil_sandbox.books import Account
from vigil_sandbox.decimals import text
from vigil_sandbox.flow import FLOW_COINS, HORIZON_MS
from vigil_sandbox.markets import COIN_BY_NAME, PERPS, TOKEN_DECIMALS
from vigil_sandbox.simulation import Simulation
from vigil_sandbox.spec import FORMAT_VERSION


def truth(simulation: Simulation) -> dict[str, object]:
    """Everything known about a finished world, ready to be written as JSON."""
    exchange = simulation.exchange
    residual = sum(
        abs(equity_residual(simulation, account, dex))
        for account in exchange.accounts.values()
        for dex in account.margins
    )
    return {
        "simulated": True,
        "format_version": FORMAT_VERSION,
        **_flow(simulation),
        "planted": [
            {
                "address": trader.address,
                "behaviour": trader.behaviour,
                "expected_type": trader.expected_type,
                "why": trader.why,
            }
            for trader in simulation.population.planted
        ],
        "house": simulation.population.roles,
        "crowd": _crowd_addresses(simulation),
        "totals": {
            "fills": simulation.fill_count,
            "trades": simulation.trade_count,
            "dust_fills": simulation.dust_leg_count,
            "traders": len(simulation.traders),
            "coins": len(simulation.coins),
            "market_liquidations": simulation.margin_calls.market_count,
            "backstop_liquidations": simulation.margin_calls.backstop_count,
            "deleveragings": simulation.margin_calls.deleveraging_count,
            "signed_size": _signed_sizes(simulation),
            "equity_residual": text(residual, 6),
            "spot_fees": {
                token: text(units, TOKEN_DECIMALS) for token, units in exchange.spot_fees.items()
            },
        },
        "hourly_marks": {
            name: [text(mark, COIN_BY_NAME[name].price_decimals) for mark in marks]
            for name, marks in simulation.funding.marks.items()
        },
        "final_marks": {
            coin.name: text(exchange.paths[coin.name].mark(exchange.now_ms), coin.price_decimals)
            for coin in PERPS
        },
        "accounts": {
            address: _final_account(simulation, account)
            for address, account in exchange.accounts.items()
        },
    }


def equity_residual(simulation: Simulation, account: Account, dex: str) -> int:
    """Account value by cash flow minus account value by profit, 10^-6 USD: must be 0."""
    exchange = simulation.exchange
    margin = account.margin(dex)
    unrealized = sum(
        position.size * exchange.paths[name].mark(exchange.now_ms) - position.cost
        for name, position in account.positions.items()
        if COIN_BY_NAME[name].dex == dex
    )
    by_profit = (
        margin.deposited - margin.withdrawn + margin.closed_pnl - margin.fees
        + margin.funding + unrealized
    )  # fmt: skip
    return exchange.equity(account, dex) - by_profit


def _flow(simulation: Simulation) -> dict[str, object]:
    """What taker flow says about prices; nothing in a world without flow traders."""
    insight = simulation.spec.flow_insight
    if insight is None:
        return {}
    return {
        "flow": {
            "coins": [coin.name for coin in FLOW_COINS],
            "horizon_s": HORIZON_MS // 1000,
            "insight": insight,
            "predicts_returns": insight > 0,
        }
    }


def _signed_sizes(simulation: Simulation) -> dict[str, str]:
    sizes = {coin.name: 0 for coin in PERPS}
    for account in simulation.exchange.accounts.values():
        for name, position in account.positions.items():
            sizes[name] += position.size
    return {name: text(size, COIN_BY_NAME[name].size_decimals) for name, size in sizes.items()}


def _crowd_addresses(simulation: Simulation) -> list[str]:
    crowd = simulation.population.crowd
    return [] if crowd is None else [trader.account.address for trader in crowd.traders]


def _final_account(simulation: Simulation, account: Account) -> dict[str, object]:
    """Positions by coin; per dex (empty name: core) the equity and the sums behind it."""
    exchange = simulation.exchange
    return {
        "fills": simulation.traders.get(account.address, 0),
        "positions": {
            name: text(position.size, COIN_BY_NAME[name].size_decimals)
            for name, position in account.positions.items()
            if position.size
        },
        "perps": {
            dex: {
                "equity": text(exchange.equity(account, dex), 6),
                "deposited": text(margin.deposited, 6),
                "withdrawn": text(margin.withdrawn, 6),
                "closed_pnl": text(margin.closed_pnl, 6),
                "fees": text(margin.fees, 6),
                "funding": text(margin.funding, 6),
            }
            for dex, margin in account.margins.items()
        },
        "spot": {
            token: text(units, TOKEN_DECIMALS) for token, units in account.balances.items() if units
        },
    }
