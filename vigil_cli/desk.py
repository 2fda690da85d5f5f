"""Recipes of the desk."""

from vigil_cli.ready import database_ready
from vigil_resources.settings import Settings
from vigil_resources.wiring import open_alerts, open_deliveries


def alerts(settings: Settings) -> None:
    """Decide about alerts by the latest risk known, send what waits, and say what was done."""
    with database_ready(settings):
        fired = open_alerts(settings).evaluate()
        for one in fired:
            paused = "; switched off" if one.paused else ""
            print(f"{one.name}: {one.rule}, {one.value:g} against a limit of {one.limit:g}{paused}")
        delivered, failed = open_deliveries(settings).send_due()
    print(f"{len(fired)} alerts fired, {delivered} messages sent, {failed} to be tried again")
