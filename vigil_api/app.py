"""The application: routes, and what stands around them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from fastapi import FastAPI
from starlette.types import ASGIApp

from vigil_api import handlers, openapi, pages
from vigil_api.database import Database
from vigil_api.gate import Gate
from vigil_api.limits import Limits
from vigil_api.metrics import Metrics
from vigil_api.routes import (
    backtests,
    comparison,
    machines,
    markets,
    metrics,
    notices,
    profiles,
    promotions,
    sessions,
    signals,
    traders,
)
from vigil_api.schemas import Models
from vigil_api.worker import BacktestWorker
from vigil_resources.health.observations import Observer
from vigil_resources.settings import Settings
from vigil_resources.wiring import database_url

LOCAL_NAMES = frozenset({"127.0.0.1", "::1", "localhost"})


def create_app(settings: Settings, limits: Limits | None = None) -> ASGIApp:
    """The API and the pages of one installation; it connects when it is started.

    Args:
        settings: Where the database is, who may write, and by which names it is reached.
        limits: What a caller may ask for.
    """
    routes = create_routes(settings)
    return Gate(
        routes,
        names=LOCAL_NAMES | {settings.api_host} | set(settings.api_names),
        limits=limits or Limits(),
        answered=routes.state.metrics.answered,
    )


def create_routes(settings: Settings) -> FastAPI:
    """The same without what stands around the routes: what describes itself."""
    app = FastAPI(
        title="Vigil",
        version="1",
        lifespan=_lifespan,
        docs_url=None,
        redoc_url=None,
        # A path that is there with another slash is another path.
        redirect_slashes=False,
        generate_unique_id_function=lambda route: route.name,
    )
    app.state.settings = settings
    app.state.database = Database(
        partial(database_url, settings), is_embedded=settings.database_url is None
    )
    app.state.metrics = Metrics(Observer(app.state.database.read))
    models = app.state.models = Models(settings.bounds)
    app.state.worker = BacktestWorker(settings)
    handlers.install(app)
    openapi.install(app)
    for router in (
        machines.router,
        sessions.router,
        # Before {id}, which would take the word for one.
        comparison.router,
        traders.router(models),
        metrics.router,
        promotions.router,
        profiles.router,
        backtests.router(models),
        signals.router,
        notices.router,
        markets.router,
        pages.router,
    ):
        app.include_router(router)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    database: Database = app.state.database
    worker: BacktestWorker = app.state.worker
    database.open()
    worker.start()
    pages.warm()
    try:
        yield
    finally:
        worker.stop()
        database.close()
