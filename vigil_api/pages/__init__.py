"""The pages: HTML for people, from the same functions as the routes under `/api`."""

from fastapi import APIRouter, Depends

from vigil_api.pages import (
    assets,
    audit,
    backtests,
    charts,
    compare,
    formulas,
    health,
    liquidations,
    manage,
    manage_account,
    manage_add,
    manage_settings,
    overview,
    parts,
    smart_money,
    trader,
    traders,
)
from vigil_api.pages.errors import error_page
from vigil_api.pages.rendering import environment
from vigil_api.security import Reader

__all__ = ["error_page", "router", "warm"]


def warm() -> None:
    """Do once what the first visitor would wait for."""
    assets.static_files()
    for name in environment().list_templates():
        environment().get_template(name)


def _may_read(_: Reader) -> None:
    """Whoever may read the API may read the pages."""


router = APIRouter(include_in_schema=False)
# What a page looks like is no secret, and the pages that ask for a key need it.
router.include_router(assets.router)
for _module in (
    overview,
    traders,
    trader,
    compare,
    manage,
    manage_account,
    manage_add,
    manage_settings,
    backtests,
    liquidations,
    smart_money,
    health,
    audit,
    formulas,
    charts,
    parts,
):
    router.include_router(_module.router, dependencies=[Depends(_may_read)])
