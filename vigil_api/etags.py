"""Versions of a row over HTTP: `ETag: "<id>-<version>"`, `If-Match`, `If-None-Match`."""

from typing import Annotated

from fastapi import Depends, Header

from vigil_api.problems import Problem
from vigil_resources.desk.traders import Trader


def etag(trader: Trader) -> str:
    """The tag of a trader's present version."""
    return f'"{trader.trader_id}-{trader.version}"'


def is_known(trader: Trader, if_none_match: str | None) -> bool:
    """Whether the caller holds this version already."""
    if if_none_match is None:
        return False
    tags = {tag.removeprefix("W/") for tag in _tags(if_none_match)}
    return bool(tags & {"*", etag(trader)})


class Condition:
    """What an `If-Match` asks for."""

    def __init__(self, header: str) -> None:
        self._tags = _tags(header)

    def version_of(self, trader: Trader) -> int | None:
        """The trader's version, if it is one that was asked for; None: any was.

        Raises:
            Problem: It is another by now, or the tag is of something else.
        """
        if "*" in self._tags:
            # Not the version of now: by the time of the change there may be another.
            return None
        if etag(trader) not in self._tags:
            detail = f"trader {trader.trader_id} is at version {trader.version} by now"
            raise Problem("stale-version", detail, {"ETag": etag(trader)})
        return trader.version


def _tags(header: str) -> set[str]:
    return {tag.strip() for tag in header.split(",")}


_Given = Annotated[
    str | None,
    Header(alias="If-Match", description="The ETag that you read; without it, 428 where listed"),
]


def _optional(if_match: _Given = None) -> Condition | None:
    return None if if_match is None else Condition(if_match)


def _required(if_match: _Given = None) -> Condition:
    if if_match is None:
        raise Problem("no-version", "a change of settings names the version that it changes")
    return Condition(if_match)


Version = Annotated[Condition, Depends(_required)]
"""The version that a change is of."""

MaybeVersion = Annotated[Condition | None, Depends(_optional)]
"""The same, where a change may also be of whatever is there."""
