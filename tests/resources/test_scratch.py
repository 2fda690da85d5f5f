"""What is on disk only while it is worked on goes, however the work ended; nothing else does."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from vigil_resources.files.scratch import scratch_folder
from vigil_resources.files.store import Store


def test_folder_of_a_killed_process_goes_with_the_next(tmp_path: Path) -> None:
    program = (
        "import sys, time\nfrom pathlib import Path\n"
        "from vigil_resources.files.scratch import scratch_folder\n"
        "with scratch_folder(Path(sys.argv[1])) as folder:\n"
        "    (folder / 'object').write_text('x')\n    print('there', flush=True)\n"
        "    time.sleep(60)"
    )
    command = [sys.executable, "-c", program, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "there\n"
        (left,) = tmp_path.iterdir()
        with scratch_folder(tmp_path):
            assert left.exists()
        process.send_signal(signal.SIGKILL)
    with scratch_folder(tmp_path) as mine:
        assert list(tmp_path.iterdir()) == [mine]
    assert list(tmp_path.iterdir()) == []


def test_what_is_not_ours_stays(tmp_path: Path) -> None:
    for name in ("raw", "12", "12-x", "vigil-work-", "vigil-work-x-y"):
        (tmp_path / name).mkdir()
    with scratch_folder(tmp_path):
        pass
    assert len(list(tmp_path.iterdir())) == 5


def test_file_that_a_killed_process_left_beside_its_place_goes(tmp_path: Path) -> None:
    store = Store(str(tmp_path / "store"))
    gone = subprocess.Popen(["true"])
    gone.wait()
    folder = tmp_path / "store/a"
    folder.mkdir()
    (folder / f"b#{gone.pid}").write_text("half")
    (folder / f"b#{os.getppid()}").write_text("another's")
    (tmp_path / "new").write_text("whole")

    store.take_file("a/b", tmp_path / "new")

    assert store.read("a/b") == b"whole"
    assert not (tmp_path / "new").exists()
    assert sorted(p.name for p in folder.iterdir()) == ["b", f"b#{os.getppid()}"]
    assert [item.key for item in store.list("a")] == ["a/b"]
