"""What the pages run in a browser and we did not write: copied from npm, once per version."""

import base64
import hashlib
import shutil
import subprocess
import tempfile
from pathlib import Path

from vigil_resources.settings import PROJECT_ROOT

STATIC = PROJECT_ROOT / "vigil_api" / "static" / "vendor"
TESTS = PROJECT_ROOT / "tests" / "browser" / "vendor"
LIST = "SHA384.txt"

FILES = {
    STATIC: {
        "htmx.min.js": "htmx.org/dist/htmx.min.js",
        "htmx.LICENSE.txt": "htmx.org/LICENSE",
        "echarts.min.js": "echarts/dist/echarts.min.js",
        "echarts.LICENSE.txt": "echarts/LICENSE",
        "echarts.NOTICE.txt": "echarts/NOTICE",
        "echarts.LICENSE-d3.txt": "echarts/licenses/LICENSE-d3",
    },
    TESTS: {
        "axe.min.js": "axe-core/axe.min.js",
        "axe.LICENSE.txt": "axe-core/LICENSE",
        "axe.LICENSE-3RD-PARTY.txt": "axe-core/LICENSE-3RD-PARTY.txt",
    },
}
"""Folder of ours → name there → file in `node_modules`."""


def vendor() -> None:
    """Copy what `package-lock.json` names, with its licences, and write down the digests."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for file in ("package.json", "package-lock.json"):
            shutil.copy(PROJECT_ROOT / file, folder)
        command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        subprocess.run(command, cwd=folder, check=True)
        for target, files in FILES.items():
            target.mkdir(parents=True, exist_ok=True)
            for ours, theirs in files.items():
                shutil.copyfile(folder / "node_modules" / theirs, target / ours)
            (target / LIST).write_text(digests(target))


def digests(folder: Path) -> str:
    """SHA-384 of every file, as a browser's integrity attribute has it, a line each."""
    lines = []
    for path in sorted(folder.iterdir()):
        if path.name != LIST:
            digest = base64.b64encode(hashlib.sha384(path.read_bytes()).digest()).decode()
            lines.append(f"sha384-{digest}  {path.name}\n")
    return "".join(lines)
