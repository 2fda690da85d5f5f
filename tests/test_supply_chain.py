"""What is installed is what the lock says, with its hashes, and is listed."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def locked() -> dict[tuple[str, str], int]:
    """Name and version of every package of the lock, and how many hashes it has."""
    found = {}
    for block in re.split(r"\n(?=\S)", (ROOT / "requirements.lock").read_text()):
        name, version = re.match(r"([a-z0-9._-]+)==([^\s;]+)", block).groups()  # type: ignore[union-attr]
        found[name, version] = len(re.findall(r"--hash=sha256:[0-9a-f]{64}\b", block))
    return found


def test_every_package_of_the_lock_has_hashes() -> None:
    packages = locked()
    assert len(packages) > 100
    assert [name for name, hashes in packages.items() if hashes == 0] == []


def test_the_launcher_installs_nothing_without_a_hash() -> None:
    launcher = (ROOT / "vigil").read_text()
    installs = re.findall(r'run\("pip", [^\n]*', launcher)
    assert len(installs) == 1
    assert '"--require-hashes"' in installs[0]
    assert '"sync"' in installs[0]


def test_a_lock_with_a_wrong_hash_installs_nothing(tmp_path: Path) -> None:
    """By the same words as the launcher's, into a folder of its own, from what is cached here."""
    lock = tmp_path / "wrong.lock"
    lock.write_text(f"six==1.17.0 \\\n    --hash=sha256:{'0' * 64}\nidna==3.10\n")
    uv = Path(sys.executable).with_name("uv")
    command = [uv, "pip", "install", "--require-hashes", "--offline", "-r", lock]
    ended = subprocess.run(
        [*command, "--target", tmp_path / "target"], capture_output=True, text=True, check=False
    )
    assert ended.returncode != 0
    assert "--require-hashes" in ended.stderr
    assert not list((tmp_path / "target").glob("[!.]*"))


def test_the_list_names_exactly_the_packages_of_the_lock() -> None:
    listed = json.loads((ROOT / "sbom.cdx.json").read_text())
    assert (listed["bomFormat"], listed["metadata"]["component"]["name"]) == ("CycloneDX", "vigil")
    components = {
        (part["name"], part["version"]): sum(
            len(reference["hashes"]) for reference in part["externalReferences"]
        )
        for part in listed["components"]
    }
    assert components == locked()


@pytest.mark.slow
def test_bandit_finds_nothing(tmp_path: Path) -> None:
    """And would find something, were it there."""
    program = Path(sys.executable).with_name("bandit")
    lint = next(line for line in (ROOT / "justfile").read_text().splitlines() if "bandit" in line)
    command = [program, *lint.split()[1:]]
    assert subprocess.run(command, cwd=ROOT, check=False).returncode == 0
    planted = tmp_path / "planted.py"
    planted.write_text("import subprocess\nsubprocess.run(input(), shell=True)\n")
    assert subprocess.run([*command[:4], planted], cwd=ROOT, check=False).returncode == 1
