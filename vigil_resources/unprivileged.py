"""Runs a program as another user: `python unprivileged.py UID GID PROGRAM PATH…  -- ARGUMENTS…`.

A program of its own, because dropping rights between fork and exec is not safe in a process with
threads (Dagster's has many). Standard library only; it starts in about 20 ms with `-I -S`.
"""

import ctypes
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

CAP_DAC_OVERRIDE = 1
CAP_DAC_READ_SEARCH = 2
_PR_SET_KEEPCAPS = 8
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_RAISE = 2
_CAPABILITY_VERSION_3 = 0x20080522

UNREACHABLE = 126


def command(uid: int, gid: int, program: Sequence[str | Path], needs: Sequence[Path]) -> list[str]:
    """The command line that runs `program` as this user, who has to reach all of `needs`."""
    launcher = [sys.executable, "-I", "-S", str(Path(__file__).resolve()), str(uid), str(gid)]
    return [*launcher, *map(str, needs), "--", *map(str, program)]


def drop_rights(uid: int, gid: int, capability: int | None) -> None:
    """Become this user for good, and keep at most one capability, also across exec.

    Raises:
        OSError: The kernel refused, as it does when the capability is not held.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if capability is not None:
        _check(libc.prctl(_PR_SET_KEEPCAPS, 1, 0, 0, 0))
    os.setgroups([])
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)
    if capability is None:
        return
    bit = 1 << capability
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    # Effective, permitted, inheritable for capabilities 0 to 31, then the same for 32 to 63.
    sets = (ctypes.c_uint32 * 6)(bit, bit, bit, 0, 0, 0)
    _check(libc.capset(header, sets))
    _check(libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, capability, 0, 0))


def least_capability(uid: int, gid: int, program: Path, needs: Sequence[Path]) -> int | None:
    """What the user lacks to run `program` and read `needs`; None if nothing.

    A clone in a folder that only root may enter (under /root, or made by `mktemp -d`) cannot be
    reached by the server's user. Opening the parents is not ours to do, and copying binaries to
    an open place would write outside the clone. Reading and searching is all the server needs;
    a container that withholds this capability mostly still grants the wider one.

    Raises:
        PermissionError: Nothing that we may keep is enough.
    """
    choices = [None, CAP_DAC_READ_SEARCH, CAP_DAC_OVERRIDE] if sys.platform == "linux" else [None]
    for capability in choices:
        # Tried in a child that really is that user: mode bits would not tell about ACLs.
        child = os.fork()
        if child == 0:
            os._exit(_reaches(uid, gid, capability, program, needs))
        if os.waitpid(child, 0)[1] == 0:
            return capability
    raise PermissionError(f"user {uid} cannot reach {program} or one of {', '.join(map(str, needs))}")


def _reaches(
    uid: int, gid: int, capability: int | None, program: Path, needs: Sequence[Path]
) -> int:
    try:
        drop_rights(uid, gid, capability)
    except OSError:
        return 1
    readable = all(os.access(path, os.R_OK, effective_ids=True) for path in needs)
    return 0 if readable and os.access(program, os.X_OK, effective_ids=True) else 1


def _check(result: int) -> None:
    if result != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def main(arguments: Sequence[str]) -> NoReturn:
    uid, gid = int(arguments[0]), int(arguments[1])
    split = arguments.index("--")
    needs, program = [Path(path) for path in arguments[2:split]], arguments[split + 1 :]
    try:
        drop_rights(uid, gid, least_capability(uid, gid, Path(program[0]), needs))
        # The folder we were started from may be closed to that user.
        os.chdir("/")
        os.execv(program[0], program)
    except OSError as error:
        print(f"{program[0]} as user {uid}: {error}", file=sys.stderr)
        sys.exit(UNREACHABLE)


if __name__ == "__main__":
    main(sys.argv[1:])
