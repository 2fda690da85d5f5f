"""A leader's result, split over his intents: nothing gained or lost by the splitting."""

from decimal import Decimal, localcontext

from hypothesis import given

from tests.core.desk.test_signals import fill, histories
from vigil_core.desk.leader_book import BEFORE, LeaderBook
from vigil_core.desk.signals import LeaderFill, SignalReader

D = Decimal
MARKS = {"BTC": D(100), "ETH": D(95)}


def booked(rows: list[LeaderFill]) -> LeaderBook:
    reader, book = SignalReader("t"), LeaderBook()
    reader.read(rows)
    for row in rows:
        book.add(row, reader.openings.get(row.key), D("0.1"))
    return book


@given(histories())
def test_parts_add_up_to_what_he_paid_got_and_holds(rows: list[LeaderFill]) -> None:
    book = booked(rows)
    with localcontext(prec=60):
        signed = [(row, row.sz if row.side == "B" else -row.sz) for row in rows]
        made = sum((q * (MARKS[row.coin] - row.px) for row, q in signed), D(0))
        results = book.results(MARKS)
        assert abs(sum(results.values(), D(0)) - made) < D("1e-40")
    assert BEFORE not in results or abs(results[BEFORE]) < D("1e-40")
    assert book.fees_usd == len(rows) * D("0.1")


def test_many_small_reductions_lose_no_digits() -> None:
    rows, held = [fill(0, "B", "1000000", "0", px="100")], D(1_000_000)
    for n in range(1, 400):
        sz = (held * D("0.15")).quantize(D("0.0001"))
        rows.append(fill(n * 61_000, "A", str(sz), str(held), px=str(100 + n % 7)))
        held -= sz
        rows.append(fill(n * 61_000 + 1, "B", "3", str(held), px="99"))
        held += 3
    book = booked(rows)
    with localcontext(prec=60):
        made = sum(((100 - r.px) * (r.sz if r.side == "B" else -r.sz) for r in rows), D(0))
        assert abs(sum(book.results({"BTC": D(100)}).values(), D(0)) - made) < D("1e-25")


def test_reduction_takes_the_same_share_of_each_intent() -> None:
    rows = [
        fill(0, "B", "1", "0", px="100"), fill(90_000, "B", "3", "1", px="120"),
        fill(200_000, "A", "2", "4", px="130"),
    ]  # fmt: skip
    book = booked(rows)
    results = book.results({"BTC": D(110)})
    first, second = (results[f"open:{row.key}"] for row in rows[:2])
    assert (first, second) == (D("0.5") * 30 + D("0.5") * 10, D("1.5") * 10 - D("1.5") * 10)
    assert book.size_of(f"open:{rows[1].key}") == 3


def test_position_of_before_counts_from_the_first_row_on() -> None:
    book = booked([fill(0, "A", "1", "3", px="100"), fill(90_000, "A", "2", "2", px="90")])
    assert book.results({}) == {BEFORE: D(-20)}
    assert book.held() == []


def test_rows_that_are_missing_are_no_result_of_an_intent() -> None:
    book = booked([fill(0, "B", "1", "0", px="100"), fill(90_000, "A", "5", "5", px="130")])
    results = book.results({})
    assert results[f"open:{'0/BTC/0'}"] == 30
    assert results.get(BEFORE, D(0)) == 0


def test_fee_without_a_price_leaves_the_sum_unknown() -> None:
    book = LeaderBook()
    book.add(fill(0, "B", "1", "0"), "a", None)
    book.add(fill(1, "B", "1", "1"), "a", D(1))
    assert book.fees_usd is None
