"""Once more, a little later, where what failed passes by itself; at once to an end where not."""

import inspect
import random
from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any, NoReturn, TypeVar, cast

import dagster as dg

from vigil_resources.transient import is_transient

MOST_RETRIES = 4
FIRST_WAIT, LONGEST_WAIT = 5.0, 120.0
"""Seconds."""


Body = TypeVar("Body", bound=Callable[..., Any])


def patient(body: Body) -> Body:
    """Decorator of an asset's body, which takes the context first.

    A retry policy of Dagster's would repeat every error, and a day that is wrong five times.
    """
    if inspect.isgeneratorfunction(body):

        @wraps(body)
        def yields(context: dg.AssetExecutionContext, *args: Any, **kwargs: Any) -> Iterator[Any]:
            try:
                yield from body(context, *args, **kwargs)
            except Exception as error:
                _again(context, error)

        return cast("Body", yields)

    @wraps(body)
    def returns(context: dg.AssetExecutionContext, *args: Any, **kwargs: Any) -> Any:
        try:
            return body(context, *args, **kwargs)
        except Exception as error:
            _again(context, error)

    return cast("Body", returns)


def _again(context: dg.AssetExecutionContext, error: Exception) -> NoReturn:
    # Whoever waits before a terminal is told at once, and runs it again.
    if not is_transient(error) or context.run.tags.get("vigil/backfill") == "headless":
        raise error
    number = context.op_execution_context.retry_number
    context.log.warning("attempt %d: %s", number + 1, error)
    raise dg.RetryRequested(MOST_RETRIES, wait_seconds(number)) from error


def wait_seconds(number: int) -> float:
    """How long to wait after so many attempts before: doubled each time, half of it by chance."""
    longest: float = min(FIRST_WAIT * 2**number, LONGEST_WAIT)
    return longest / 2 + random.uniform(0, longest / 2)  # nosec B311 # to keep apart
