"""Every error Vigil raises on purpose, named after the fact and carrying its values."""

from collections.abc import Sequence


class VigilError(Exception):
    """Something Vigil expected was not so; the message says what, and where."""


class ObjectMissing(VigilError):
    """The store holds nothing under this key."""

    def __init__(self, key: str, root: str) -> None:
        self.key = key
        super().__init__(f"expected an object at {key!r} in {root}, found none")


class StoreFailed(VigilError):
    """A bucket or directory could not be asked at all."""

    def __init__(self, root: str, reason: str, *, is_denied: bool = False) -> None:
        self.is_denied = is_denied
        super().__init__(
            f"{root} did not answer: {reason}. A bucket needs AWS_ACCESS_KEY_ID and "
            "AWS_SECRET_ACCESS_KEY; VIGIL_NODE_DATA may name a directory instead"
        )


class NotWritten(VigilError):
    """A store did not take an object: no room, no right, no answer."""

    def __init__(self, key: str, root: str, reason: str) -> None:
        self.key = key
        super().__init__(f"{key!r} could not be written in {root}: {reason}; nothing changed there")


class UnreadableObject(VigilError):
    """The bytes of a source object could not be proved whole; nothing of it was kept."""

    def __init__(self, key: str, reason: str) -> None:
        self.key = key
        self.reason = reason
        super().__init__(f"{key}: {reason}; nothing of this object was kept")


class LakeIncomplete(VigilError):
    """The lake lacks what a later stage needs."""

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(f"{what}; {remedy}")


class RowOutsideItsDay(VigilError):
    """A row was about to be loaded under a day that its own `time` does not belong to."""

    def __init__(self, day: str, row: str) -> None:
        super().__init__(f"a row meant for {day} has a `time` outside that UTC day: {row}")


class ContradictingFills(VigilError):
    """Two fills of one key disagree about what happened; neither was chosen."""

    def __init__(self, day: str, key: tuple[object, ...]) -> None:
        super().__init__(
            f"fills of {day} with the same (time, user_address, coin, oid, tid) = {key} "
            "differ in price, size, side, position, PnL or fee; the day was left as it was"
        )


class NotLoaded(VigilError):
    """An aggregate was asked for a day whose fills are not in the warehouse."""

    def __init__(self, relation: str, day: str) -> None:
        super().__init__(
            f"{relation} of {day} needs the fills of that day, which are not loaded: "
            f"materialize `fills` for {day} first"
        )


class MigrationChanged(VigilError):
    """A migration that is already applied no longer has the text it had then."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"migration {name} is applied, but its text has changed since; "
            "restore the file and put the change into a new migration"
        )


class BackendChanged(VigilError):
    """The database was installed for another backend than the one it offers now."""

    def __init__(self, installed: str, offered: str) -> None:
        super().__init__(
            f"installed for the backend {installed!r}, the database now offers {offered!r}: "
            "undo that, or load the lake into a new database (cloud-load)"
        )


class ServerNotRunning(VigilError):
    """The embedded Postgres is not accepting connections."""


class ServerFailed(VigilError):
    """The embedded Postgres could not be started or stopped."""


class InvalidSetting(VigilError):
    """An environment variable holds something Vigil cannot use."""

    def __init__(self, name: str, value: str, expected: str) -> None:
        super().__init__(f"{name}={value!r}: expected {expected}")


class PartitionsFailed(VigilError):
    """Some partitions of a backfill could not be built."""

    def __init__(self, failed: Sequence[tuple[str, str]]) -> None:
        self.failed = failed
        lines = "\n".join(f"  {asset} {day}" for asset, day in failed)
        super().__init__(f"{len(failed)} partitions failed:\n{lines}")


class UnexpectedColumns(VigilError):
    """A table of somebody else's lacks columns that it is documented to have."""

    def __init__(self, what: str, missing: Sequence[str], found: Sequence[str]) -> None:
        super().__init__(f"{what}: expected columns {list(missing)}, found {list(found)}")


class NotRemoved(VigilError):
    """Some local files could not be removed."""

    def __init__(self, paths: Sequence[str]) -> None:
        super().__init__(f"{len(paths)} files could not be removed, the first is {paths[0]}")


class OneStatementOnly(VigilError):
    """SQL that may only read was several statements: an earlier one could undo that."""

    def __init__(self) -> None:
        super().__init__("expected one SQL statement, got several: run them one by one")


class CopyNotTaken(VigilError):
    """SQL whose rows are printed was a COPY, which would talk to the client instead."""

    def __init__(self) -> None:
        super().__init__("COPY has no rows to show: give its query itself, or use db-shell")


class NothingToAnalyze(VigilError):
    """A report was asked for, and no day is loaded."""

    def __init__(self) -> None:
        super().__init__("no day is loaded: run `backfill START END`, or `demo`, first")


class NotFound(VigilError):
    """Nothing of this name is there."""

    def __init__(self, kind: str, name: object) -> None:
        self.kind = kind
        self.name = name
        super().__init__(f"there is no {kind} {name}")


class StaleVersion(VigilError):
    """Somebody else changed the row since it was read; `current` is what it is now."""

    def __init__(self, kind: str, current: object, asked: int, found: int) -> None:
        self.current = current
        super().__init__(f"this {kind} is at version {found} by now, not {asked}")


class Duplicate(VigilError):
    """What may be there once is there already."""

    def __init__(self, what: str) -> None:
        super().__init__(f"{what} is there already")


class OutOfBounds(VigilError):
    """A setting is not within what may be set."""

    def __init__(self, setting: str) -> None:
        self.setting = setting
        super().__init__(f"{setting} is outside what may be set")


class IsArchived(VigilError):
    """What was archived is kept as it is."""

    def __init__(self, kind: str, name: object) -> None:
        super().__init__(f"{kind} {name} is archived; nothing of it can be changed any more")


class NotPromotable(VigilError):
    """The record does not allow live-readiness; `failing` holds what is not met."""

    def __init__(self, name: str, failing: Sequence[str]) -> None:
        self.failing = list(failing)
        super().__init__(f"{name} stays on paper: {'; '.join(failing)}")


class InvalidBacktest(VigilError):
    """A backtest was asked for that cannot be run as it is written."""

    def __init__(self, field: str, reason: str) -> None:
        self.field = field
        self.reason = reason
        super().__init__(f"backtest request: {field}: {reason}")


class BacktestMissing(VigilError):
    """No backtest has this number."""

    def __init__(self, backtest_id: int) -> None:
        super().__init__(f"there is no backtest {backtest_id}")


class SparkFailed(VigilError):
    """Spark ended without having done its job; `said` is what it wrote, line by line."""

    def __init__(self, said: Sequence[str]) -> None:
        self.said = list(said)
        super().__init__(f"Spark: {said[-1] if said else 'ended without a word'}")
