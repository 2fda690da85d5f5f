"""The description of the API, told truthfully: every status, and no value that would be refused."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from vigil_api.problems import SCHEMA, answers

ALWAYS = (400, 401, 403, 405, 408, 413, 429, 500, 503)
"""What any route under `/api` may answer."""

_DESCRIPTION = """\
Who trades well on Hyperliquid, and whom we follow. Money, prices and sizes are decimal strings;
ratios are numbers; times are RFC 3339 in UTC; what is undefined is null with a reason. A list goes
on at `next`.
"""


def install(app: FastAPI) -> None:
    """Let an application describe itself so."""

    def described() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _describe(app)
        return app.openapi_schema

    app.openapi = described  # type: ignore[method-assign]


def _describe(app: FastAPI) -> dict[str, Any]:
    schema = get_openapi(
        title=app.title, version=app.version, description=_DESCRIPTION, routes=app.routes
    )
    components = schema.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    for theirs in ("HTTPValidationError", "ValidationError"):
        schemas.pop(theirs, None)
    schemas["Problem"] = SCHEMA
    components["securitySchemes"] = {"bearer": {"type": "http", "scheme": "bearer"}}
    for path, operations in schema["paths"].items():
        for method, operation in operations.items():
            _complete(path, method, operation)
    return schema


def _complete(path: str, method: str, operation: dict[str, Any]) -> None:
    responses: dict[str, Any] = operation["responses"]
    responses.pop("422", None)
    takes_values = "requestBody" in operation or bool(operation.get("parameters"))
    statuses = ALWAYS + ((422,) if takes_values else ())
    for status, said in answers(*statuses).items():
        responses.setdefault(str(status), said)
    operation["responses"] = dict(sorted(responses.items()))
    for parameter in operation.get("parameters", []):
        _without_null(parameter)
    if path.startswith("/api/") or path == "/metrics":
        reads: list[dict[str, list[str]]] = [{}, {"bearer": []}]
        operation["security"] = reads if method == "get" else [{"bearer": []}]


def _without_null(parameter: dict[str, Any]) -> None:
    """In an address or a header the word null would be a value like others."""
    schema = parameter["schema"]
    options = [option for option in schema.pop("anyOf", []) if option != {"type": "null"}]
    if len(options) == 1:
        schema |= options[0]
    elif options:
        schema["anyOf"] = options
    if schema.pop("x-required", False):
        parameter["required"] = True
    if schema.get("default", ...) is None:
        del schema["default"]
    parameter["schema"] = schema
