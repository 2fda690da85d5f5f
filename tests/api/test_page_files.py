"""What the pages are made of: vendored scripts, links to assets, static files."""

import gzip
import importlib
import json
import pkgutil
import re

import pytest

from tests.api.conftest import Api
from vigil_api import pages
from vigil_api.pages.assets import static_files, static_url
from vigil_api.pages.health import MADE_WITH
from vigil_assets.definitions import ASSETS, ON_REQUEST
from vigil_cli.vendor import FILES, LIST, digests
from vigil_resources.settings import PROJECT_ROOT

TEMPLATES = sorted((PROJECT_ROOT / "vigil_api" / "templates").glob("*.html"))


@pytest.mark.parametrize("folder", FILES, ids=lambda folder: folder.parent.name)
def test_vendored_files_are_the_ones_that_were_copied(folder: object) -> None:
    files = FILES[folder]  # type: ignore[index]
    assert (folder / LIST).read_text() == digests(folder)  # type: ignore[operator, arg-type]
    assert {path.name for path in folder.iterdir()} == {*files, LIST}  # type: ignore[attr-defined]


def test_versions_are_pinned_and_are_the_ones_vendored() -> None:
    package = json.loads((PROJECT_ROOT / "package.json").read_text())
    lock = json.loads((PROJECT_ROOT / "package-lock.json").read_text())["packages"]
    for name, version in (package["dependencies"] | package["devDependencies"]).items():
        assert lock[f"node_modules/{name}"]["version"] == version
    htmx = static_files()["vendor/htmx.min.js"].plain.decode()
    echarts = static_files()["vendor/echarts.min.js"].plain.decode()
    assert f'"{package["dependencies"]["htmx.org"]}"' in htmx
    assert f'"{package["dependencies"]["echarts"]}"' in echarts
    assert "resolved" not in json.dumps(lock)


def test_every_asset_that_a_page_links_to_exists() -> None:
    known = {key.to_user_string() for asset in [*ASSETS, *ON_REQUEST] for key in asset.keys}
    linked = set(MADE_WITH.values())
    for module in pkgutil.iter_modules(pages.__path__):
        linked |= set(
            getattr(importlib.import_module(f"vigil_api.pages.{module.name}"), "ASSETS", ())
        )
    assert len(linked) > 5
    assert linked - known == set()


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_templates_hold_nothing_that_the_policy_forbids(path: object) -> None:
    text = path.read_text("utf-8")  # type: ignore[attr-defined]
    assert not re.search(r"\sstyle=|\son[a-z]+=|hx-on|javascript:|<style|<script(?! src=)", text)
    assert not re.search(r"(src|href)=[\"']https?://", text)


def test_static_files_are_named_by_content_and_kept_for_good(api: Api) -> None:
    for name, file in static_files().items():
        answer = api("GET", static_url(name), accept_encoding="gzip")
        assert answer.status == 200
        assert gzip.decompress(answer.content) == file.plain
        assert "immutable" in answer.headers["cache-control"]
    old = api("GET", "/static/000000000000/app.css")
    assert old.headers["cache-control"] == "no-store"
    assert old.content == static_files()["app.css"].plain
    for path in ("/static/x/../../app.py", "/static/x/nothing.js", "/static/x/%2e%2e/app.py"):
        assert api("GET", path).status == 404
