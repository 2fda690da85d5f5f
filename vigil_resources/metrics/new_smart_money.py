"""Smart money whose first fill anywhere is recent: the warehouse's traders, asked of the exchange.

    new_smart_money_20260301.jsonl               the result: a trader a line, by address
    new_smart_money_20260301.jsonl.unfinished    answers so far, in the order they came

An answer is on disk before the next address is asked for, so a run that is interrupted loses none.
A later run of the same UTC day asks only for the addresses that neither file has.
"""

import fcntl
import json
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import IO, Any

from vigil_core.calendar import day_start_ms
from vigil_core.errors import VigilError
from vigil_core.new_smart_money import DEFAULT_CUTOFF, Finding, History, Trader, merged
from vigil_core.new_smart_money import finding as judged
from vigil_core.new_smart_money import history as read_history
from vigil_resources.database.warehouse import Warehouse
from vigil_resources.exchange.api import ExchangeApi
from vigil_resources.exchange.errors import ExchangeSilent
from vigil_resources.files.store import Store

WORKERS = 4
"""Requests under way at a time; the weight budget is what limits them."""

_SILENCES = 3
"""Addresses without an answer, one after another, after which no further one is asked for."""


class AddressesFailed(VigilError):
    """Of some traders the exchange's history could not be had; all others are in the file."""

    def __init__(self, failed: Sequence[tuple[str, str]], path: Path) -> None:
        self.failed = failed
        self.path = path
        lines = "\n".join(f"  {address}: {reason}" for address, reason in failed)
        super().__init__(
            f"{len(failed)} addresses are not in {path.name}; run again for what is missing:\n"
            f"{lines}"
        )


class AlreadyRunning(VigilError):
    """Another process is making the same file."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"another run is making {path.name}; wait for it")


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a run is."""

    done: int
    total: int
    failed: int
    fills: int
    """Of the addresses asked for in this run."""
    seconds: float

    @property
    def seconds_left(self) -> float:
        """As if the others took as long as those asked for."""
        return self.seconds / max(self.done, 1) * (self.total - self.done)


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What a run left."""

    path: Path
    findings: tuple[Finding, ...]
    """By address."""
    asked: int
    """Addresses asked for in this run; the others were there."""


class NewSmartMoney:
    """Finds out since when smart money trades.

    Args:
        warehouse: Knows who is smart money.
        api: Asked for their fills; may go any way that keeps a budget.
        folder: Where the files lie.
        now: Ms since the epoch; names the file.
    """

    def __init__(
        self,
        warehouse: Warehouse,
        api: ExchangeApi,
        folder: Path,
        now: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._warehouse = warehouse
        self._api = api
        self._folder = folder
        self._now = now

    def find(
        self,
        *,
        everyone: bool = False,
        cutoff: date = DEFAULT_CUTOFF,
        workers: int = WORKERS,
        report: Callable[[Progress], None] = lambda _: None,
    ) -> Result:
        """Ask for what is missing and write the file of today.

        Args:
            everyone: All of SMART_DIRECTIONAL rather than the watchlist.
            cutoff: UTC day; who began on it or later is new.
            workers: Addresses asked for at a time.
            report: Called after each address.

        Raises:
            AddressesFailed: Some could not be had; the others are in the file.
            AlreadyRunning: Another process is making the file.
        """
        path = self._path(datetime.fromtimestamp(self._now() / 1000, UTC).date())
        traders = self._traders(everyone=everyone)
        with _journal(path) as journal:
            known = _histories(path) | _histories(journal.path)
            missing = [t.user_address for t in traders if t.user_address not in known]
            failed: list[tuple[str, str]] = []
            fills, begun = 0, time.monotonic()
            for done, answer in enumerate(self._ask(missing, workers), 1):
                if isinstance(answer, History):
                    journal.add(answer)
                    known[answer.user_address] = answer
                    fills += answer.fills_seen
                else:
                    failed.append(answer)
                report(
                    Progress(
                        done=done,
                        total=len(missing),
                        failed=len(failed),
                        fills=fills,
                        seconds=time.monotonic() - begun,
                    )
                )
            start = day_start_ms(cutoff)
            findings = tuple(
                judged(trader, known[trader.user_address], start)
                for trader in traders
                if trader.user_address in known
            )
            self._publish(path, findings)
            journal.forget()
        if failed:
            raise AddressesFailed(sorted(failed), path)
        return Result(path=path, findings=findings, asked=len(missing))

    def is_current(self) -> bool:
        """Whether the newest file holds the whole watchlist."""
        paths = sorted(self._folder.glob("new_smart_money_*.jsonl"))
        listed = {trader.user_address for trader in self._traders(everyone=False)}
        return bool(paths) and listed <= _histories(paths[-1]).keys()

    def _path(self, day: date) -> Path:
        return self._folder / f"new_smart_money_{day:%Y%m%d}.jsonl"

    def _traders(self, *, everyone: bool) -> list[Trader]:
        rows = self._warehouse.rows("profiles/smart_money", {"everyone": everyone})
        names = (
            "user_address",
            "first_trade_time",
            "last_trade_time",
            "net_pnl",
            "sharpe_ratio",
            "trader_type",
        )
        return [Trader(**dict(zip(names, row, strict=True))) for row in rows]

    def _ask(self, addresses: Sequence[str], workers: int) -> Iterator[History | tuple[str, str]]:
        """The histories as they come, or the address and why there is none."""
        waiting = iter(addresses)
        silences = 0
        with ThreadPoolExecutor(workers, "new-smart-money") as pool:
            under_way: dict[Future[History], str] = {}
            while True:
                # No more than can be worked on: what waits must not keep an end from coming.
                while len(under_way) < workers and silences < _SILENCES:
                    address = next(waiting, None)
                    if address is None:
                        break
                    under_way[pool.submit(self._history, address)] = address
                if not under_way:
                    break
                for future in wait(under_way, return_when=FIRST_COMPLETED).done:
                    address = under_way.pop(future)
                    try:
                        answer = future.result()
                    except VigilError as error:
                        silences += isinstance(error, ExchangeSilent)
                        yield address, str(error)
                    else:
                        silences = 0
                        yield answer
        for address in waiting:
            yield address, f"not asked for: {silences} others had no answer"

    def _history(self, address: str) -> History:
        orders = self._api.user_fills_by_time(address)
        slices = self._api.user_twap_fills(address)
        return read_history(
            address,
            merged(orders.rows, slices.rows),
            is_within_reach=orders.history_complete and slices.history_complete,
        )

    def _publish(self, path: Path, findings: Iterable[Finding]) -> None:
        """Readers see the old file or the new one, never a part of it."""
        beside = path.with_suffix(f".{os.getpid()}.new")
        beside.write_text("".join(line(asdict(one)) for one in findings))
        Store(str(path.parent)).take_file(path.name, beside)


# --- the files -------------------------------------------------------------------------------


def line(fields: dict[str, Any]) -> str:
    """A JSON object with its line feed. Money is text, exact; a ratio is a number.

    >>> line({"db_net_pnl": Decimal("10.50"), "sharpe_ratio": Decimal("1.5")}).strip()
    '{"db_net_pnl": "10.5", "sharpe_ratio": 1.5}'
    """
    values = {name: _value(name, value) for name, value in fields.items()}
    return json.dumps(values) + "\n"


def _value(name: str, value: Any) -> Any:
    if not isinstance(value, Decimal):
        return value
    if name == "sharpe_ratio":
        return float(value)
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _histories(path: Path) -> dict[str, History]:
    """What lies in a result or a journal, by address; a line that was cut off counts as absent."""
    found = {}
    try:
        lines = path.read_text("utf-8", "replace").splitlines()
    except FileNotFoundError:
        return {}
    for text in lines:
        try:
            row = json.loads(text)
            known = History(
                user_address=row["user_address"],
                first_fill=row["first_fill"],
                last_fill=row["last_fill"],
                closed_pnl=Decimal(row["api_closed_pnl"]),
                fills_seen=row["fills_seen"],
                history_complete=row["history_complete"],
            )
        except (ValueError, KeyError, TypeError, ArithmeticError):
            continue
        found[known.user_address] = known
    return found


class _Journal:
    def __init__(self, path: Path, file: IO[str]) -> None:
        self.path = path
        self._file = file

    def add(self, known: History) -> None:
        """On disk when this returns."""
        fields = asdict(known)
        fields["api_closed_pnl"] = fields.pop("closed_pnl")
        # On a line of its own, though the one before was cut off.
        self._file.write("\n" + line(fields))
        self._file.flush()
        os.fsync(self._file.fileno())

    def forget(self) -> None:
        self.path.unlink()


@contextmanager
def _journal(path: Path) -> Iterator[_Journal]:
    """The journal beside a result, for one process at a time."""
    beside = path.with_name(f"{path.name}.unfinished")
    beside.parent.mkdir(parents=True, exist_ok=True)
    with beside.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AlreadyRunning(path) from None
        if not beside.exists() or not os.path.samestat(beside.stat(), os.fstat(file.fileno())):
            # Whoever held it was done in this moment, and removed it.
            raise AlreadyRunning(path)
        yield _Journal(beside, file)
