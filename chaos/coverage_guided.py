"""One target of atheris, in a process of its own: libFuzzer ends the process that it runs in.

    python -m chaos.coverage_guided TARGET FOLDER RUNS SEED

The compiled kernels are run as plain Python (`interpreted`), so that the fuzzer sees their branches
and every access to memory is checked. Exit status 77, and a file in FOLDER, is a crash.
"""

import random
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from types import FunctionType

from chaos import fuzz_fills, fuzz_people, fuzz_snapshots, interpreted
from chaos.odd_lines import PIECES, OddLines
from vigil_api import values
from vigil_core.artemis import balances_lines
from vigil_core.desk import chat_messages, chat_signals, leaderboard
from vigil_core.fills import node_format
from vigil_core.fills.reading import LineFormat
from vigil_core.snapshots import asset_ctxs
from vigil_resources.exchange import reading

Target = Callable[[bytes], object]
_MOST_BYTES = 4_096
_CORPUS = 60


def _functions(*modules: object) -> list[FunctionType]:
    found = []
    for module in modules:
        for value in vars(module).values():
            if isinstance(value, FunctionType) and value.__module__ == module.__name__:  # type: ignore[attr-defined]
                found.append(value)
    return found


def _watch(functions: list[FunctionType]) -> None:
    """Let atheris see the branches of functions, wherever they are called from."""
    import atheris

    for function in functions:
        watched = atheris.instrument_func(function)
        function.__code__ = watched.__code__


def _fills(line_format: LineFormat) -> tuple[Target, list[FunctionType]]:
    reads = interpreted.InterpretedFills()

    def target(content: bytes) -> None:
        with reads.reader() as reader:
            half = len(content) // 2
            fuzz_fills.agree(reader, content, [content[:half], content[half:]], line_format)

    return target, [*_functions(node_format), *interpreted.functions(reads.kernel)]


def _balances() -> tuple[Target, list[FunctionType]]:
    reads = interpreted.InterpretedBalances()

    def target(content: bytes) -> None:
        with reads.reading():
            fuzz_snapshots.agree_on_balances(content, [content])

    kernels = [*interpreted.functions(reads.kernel), *interpreted.functions(reads.fills)]
    return target, [*_functions(balances_lines), *kernels]


def _made(name: str) -> tuple[Target, Callable[[OddLines], bytes], list[FunctionType]]:
    """A target, what makes its first inputs, and what is watched."""
    formats = {one.name.lower(): one for one in LineFormat}
    if name in formats:
        target, watched = _fills(formats[name])
        return target, lambda odd: fuzz_fills.text_of(odd, formats[name]), watched
    if name == "balances":
        target, watched = _balances()
        return target, fuzz_snapshots.balances_text, watched
    if name == "contexts":
        return (
            lambda content: fuzz_snapshots.agree_on_contexts(content, 3),
            fuzz_snapshots.contexts_text,
            _functions(asset_ctxs),
        )
    make, check = fuzz_people.PARSERS[name]
    read_by = (leaderboard, chat_messages, chat_signals, reading, values)
    return check, make, _functions(*read_by)


def main() -> None:
    """Never returns: libFuzzer ends the process."""
    # Of an extra, and this module is imported wherever campaigns are looked for.
    import atheris

    name, folder, runs, seed = sys.argv[1:]
    # An overflow is what the compiled code does too.
    warnings.simplefilter("ignore")
    target, make, watched = _made(name)
    _watch(watched)
    corpus = Path(folder) / "corpus"
    corpus.mkdir(parents=True)
    odd = OddLines(random.Random(f"{seed} {name}"))  # nosec B311 # repeats
    for nth in range(_CORPUS):
        (corpus / f"{nth}").write_bytes(make(odd)[:_MOST_BYTES])
    words = Path(folder) / "words"
    words.write_text("".join(f'"{_quoted(piece)}"\n' for piece in PIECES))
    options = [f"-runs={runs}", f"-seed={seed}", f"-dict={words}", f"-artifact_prefix={folder}/"]
    limits = [
        f"-max_len={_MOST_BYTES}",
        "-timeout=60",
        "-rss_limit_mb=2048",
        "-print_final_stats=1",
    ]
    atheris.Setup([sys.argv[0], *options, *limits, str(corpus)], target)
    atheris.Fuzz()


def _quoted(piece: bytes) -> str:
    return "".join(f"\\x{byte:02x}" for byte in piece)


if __name__ == "__main__":
    main()
