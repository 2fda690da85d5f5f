"""Whom the live tail listens to."""

from collections.abc import Callable

from vigil_core.live.messages import MOST_ACCOUNTS, MOST_SUBSCRIPTIONS, Kind, Stream
from vigil_resources.database.warehouse import Warehouse
from vigil_resources.exchange.api import ExchangeApi


class LiveWatch:
    """Followed traders, named accounts and the watchlist, as far as the exchange's limit goes.

    Args:
        warehouse: Knows who is followed, and the watchlist.
        api: Asked for the names of all coins, where all are wanted.
        accounts: Named ones, lower case.
        coins: Whose trades are wanted; None for all perps of the exchange's own dex.
        report: Is told who had no room.
    """

    def __init__(
        self,
        warehouse: Warehouse,
        api: ExchangeApi | None,
        accounts: tuple[str, ...],
        coins: tuple[str, ...] | None,
        report: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._warehouse = warehouse
        self._api = api
        self._accounts = accounts
        self._coins = coins
        self._report = report
        self._told = ""

    def streams(self) -> set[Stream]:
        """What is to be subscribed to now."""
        asked = {"named": list(self._accounts)}
        accounts = [address for (address,) in self._warehouse.rows("live/watched_accounts", asked)]
        left_out = accounts[MOST_ACCOUNTS:]
        told = f"{len(left_out)} accounts are not watched: the exchange allows {MOST_ACCOUNTS}"
        if left_out and told != self._told:
            self._told = told
            self._report(told)
        found = {
            Stream(kind, address)
            for address in accounts[:MOST_ACCOUNTS]
            for kind in (Kind.FILLS, Kind.TWAP_FILLS)
        }
        room = MOST_SUBSCRIPTIONS - len(found)
        return found | {Stream(Kind.TRADES, coin) for coin in self._all_coins()[:room]}

    def _all_coins(self) -> tuple[str, ...]:
        if self._coins is None:
            # Asked once: a coin that is listed meanwhile waits for the next start.
            self._coins = tuple(self._api.meta()["coin"]) if self._api is not None else ()
        return self._coins
