"""The figures of all traders that lists are sorted by, as of the last day built."""

from dataclasses import dataclass
from typing import Any

from psycopg.types.json import Jsonb

from vigil_core.errors import NotLoaded
from vigil_resources.database.day_tables import fingerprint
from vigil_resources.database.warehouse import CLASSIFIED_BY, Warehouse
from vigil_resources.statements import digest_of, query

RELATION = "published_traders"

OURS = "vigil_v1"
"""The rule set shown beside the seeds'."""

_STEPS = (
    "published/create_returns",
    "published/create_curves",
    "published/create_books",
    "published/create_leverage",
    "published/create_rows",
)


@dataclass(frozen=True, slots=True)
class Published:
    """What lists show once `published_traders` was built."""

    traders: int
    as_of: int
    """Milliseconds since the epoch; figures end before it."""
    is_kept: bool
    """From before, while days are built again."""


class PublishedTraders:
    """Builds `published_traders` and `published_state`."""

    def __init__(self, warehouse: Warehouse) -> None:
        self._warehouse = warehouse

    def is_possible(self) -> bool:
        """Whether a day's figures are built."""
        return bool(self._warehouse.rows("published/inputs"))

    def is_current(self) -> bool:
        """Whether what is published was made of the figures, labels and statements of now."""
        inputs = self._warehouse.rows("published/inputs")
        state = self._warehouse.rows("published/state")
        return bool(inputs) and bool(state) and state[0][1] == _made_of(inputs[0])

    def build(self) -> Published:
        """Publish the last day built. Readers see the old rows or the new.

        While days are built again on top of an older one that changed, what is published stays:
        of a later day, and right by what was known when it was made.

        Raises:
            NotLoaded: No day's figures are built.
        """
        with self._warehouse.connect() as connection, connection.transaction():
            # One snapshot: a day built meanwhile is in all of the figures or in none.
            connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            connection.execute(query("published/lock"))
            connection.execute(query("schema/more_memory"))
            inputs = connection.execute(query("published/inputs")).fetchone()
            if inputs is None:
                raise NotLoaded(RELATION, "any day")
            state = connection.execute(query("published/state")).fetchone()
            if state is not None and inputs[-1]:
                return Published(state[2], state[0], is_kept=True)
            values: dict[str, Any] = {"at": inputs[0], "seed": CLASSIFIED_BY, "ours": OURS}
            for step in _STEPS:
                connection.execute(query(step), values)
            connection.execute(query("published/delete_all"))
            count = connection.execute(query("published/insert_rows")).rowcount
            figures = connection.execute(query("audit/figures")).fetchall()
            changes = connection.execute(query("audit/classes"), values).fetchall()
            made = {
                "built_from": _made_of(inputs),
                "figures": Jsonb([[_plain(value) for value in row] for row in figures]),
                "class_changes": Jsonb([list(row) for row in changes]),
            }
            connection.execute(query("published/save_state"), values | made)
        return Published(count, inputs[0], is_kept=False)


def _plain(value: Any) -> Any:
    return value if value is None or isinstance(value, str | int) else float(value)


def _made_of(inputs: tuple[Any, ...]) -> str:
    return fingerprint(inputs[:-1], digest_of(*_STEPS, "published/insert_rows"))
