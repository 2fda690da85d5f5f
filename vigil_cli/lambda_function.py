"""The user's own AWS Lambda: put there, tried, taken away."""

import sys

from vigil_core.errors import VigilError
from vigil_resources.exchange.api import ExchangeApi
from vigil_resources.exchange.lambda_egress import NAME, FunctionRefused, LambdaFunction
from vigil_resources.exchange.transport import PUBLIC_API
from vigil_resources.settings import Settings
from vigil_resources.wiring import open_lambda_function, open_lambda_route

FOREIGN = "https://example.com/info"
"""What the function must not ask."""


def deploy(settings: Settings) -> None:
    """Make function and role, or bring them up to date."""
    is_new = open_lambda_function(settings).deploy()
    print(f"{NAME} is {'deployed' if is_new else 'up to date'}; it asks {PUBLIC_API}/info alone")


def test(settings: Settings) -> int:
    """Ask the exchange one question through it; 0 if that works and nobody else could."""
    function, route = open_lambda_function(settings), open_lambda_route(settings)
    api = ExchangeApi(settings.api_url, route, transport=route, patience_s=60)
    perps = api.meta().height
    print(f"{NAME} asks from {route.address}: the exchange has {perps} perps")
    print(f"each call is written down in {route.log}")
    faults = [*function.exposures(), *_refuses(function)]
    for fault in faults:
        print(f"vigil: {NAME}: {fault}", file=sys.stderr)
    return 1 if faults else 0


def delete(settings: Settings) -> None:
    """Remove function and role."""
    removed = open_lambda_function(settings).delete()
    print("\n".join(f"removed {what}" for what in removed) or f"there was no {NAME}")


def _refuses(function: LambdaFunction) -> list[str]:
    event = {"action": "post", "url": FOREIGN, "body": "{}", "egress_address": ""}
    try:
        function.invoke(event)
    except FunctionRefused:
        return []
    except (VigilError, OSError) as error:
        return [f"it did not refuse {FOREIGN}, but failed: {error}"]
    return [f"it did not refuse {FOREIGN}"]
