import json

import pytest

from vigil_core.desk.leaderboard import (
    LeaderboardEntry,
    RejectedEntry,
    UnreadableLeaderboard,
    read_leaderboard,
)

A, B = "0x" + "aB" * 20, "0x" + "01" * 20


def test_the_exchanges_own_board() -> None:
    rows = [
        {"ethAddress": A, "accountValue": "12.5", "displayName": "ann", "prize": 0,
         "windowPerformances": [["day", {"pnl": "1.10", "roi": "0.1", "vlm": "5"}]]},
        {"ethAddress": "0x12", "displayName": None},
        {"ethAddress": A.lower()},
        7,
    ]  # fmt: skip
    found = read_leaderboard(json.dumps({"leaderboardRows": rows}).encode())
    assert found == [
        LeaderboardEntry(
            n=1,
            user_address=A.lower(),
            display_name="ann",
            figures={
                "accountValue": "12.5",
                "prize": "0",
                "windowPerformances": [["day", {"pnl": "1.10", "roi": "0.1", "vlm": "5"}]],
            },
        ),
        RejectedEntry(2, "no address"),
        RejectedEntry(3, "address was there before"),
        RejectedEntry(4, "no address"),
    ]


@pytest.mark.parametrize("delimiter", [",", ";"])
def test_a_table_with_a_column_of_addresses(delimiter: str) -> None:
    lines = [("Rank", "Wallet", "Name", "PnL"), ("1", A, "ann", "5.0"), ("2", B, "", "x"), ("3",)]
    content = "\r\n".join(delimiter.join(line) for line in lines)
    first, second, third = read_leaderboard(b"\xef\xbb\xbf" + content.encode())
    assert first == LeaderboardEntry(
        n=1, user_address=A.lower(), display_name="ann", figures={"Rank": "1", "PnL": "5.0"}
    )
    assert isinstance(second, LeaderboardEntry)
    assert third == RejectedEntry(3, "no address")


@pytest.mark.parametrize(
    "content", [b"", b"a,b\n1,2", b"{", b'{"rows": []}', b"\xff\xfe", b'wallet\n"', b"[" * 99999]
)
def test_other_files_are_refused(content: bytes) -> None:
    with pytest.raises(UnreadableLeaderboard):
        read_leaderboard(content)


@pytest.mark.parametrize("mark", ["\x0b", "\x0c", "\x1c", "\x85", "\u2028"])
def test_a_line_of_a_table_ends_where_csv_ends_it(mark: str) -> None:
    [found] = read_leaderboard(f"wallet,name\n{A},an{mark}n\n".encode())
    assert isinstance(found, LeaderboardEntry)
    assert found.display_name == f"an{mark}n"


def test_what_no_database_holds_is_replaced() -> None:
    row = {"address": A, "name": "a\ud800\0", "b\0": ["\udfff", 1]}
    [found] = read_leaderboard(json.dumps([row]).encode())
    assert isinstance(found, LeaderboardEntry)
    assert found.display_name == "a\ufffd\ufffd"
    assert found.figures == {"b\ufffd": ["\ufffd", "1"]}


def test_a_figure_that_says_the_same_as_the_name_is_kept() -> None:
    [found] = read_leaderboard(json.dumps([{"address": A, "name": "7", "rank": "7"}]).encode())
    assert isinstance(found, LeaderboardEntry)
    assert found.figures == {"rank": "7"}


def test_an_entry_nested_too_deeply_is_rejected() -> None:
    deep = "[" * 500 + "]" * 500
    found = read_leaderboard(f'[{{"address":"{A}","x":{deep}}}]'.encode())
    assert found == [RejectedEntry(1, "nested too deeply")]
