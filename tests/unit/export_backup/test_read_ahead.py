"""Reading ahead: every key once and in order, whatever the keys are, with several requests under way."""

from __future__ import annotations

import random
import weakref
from concurrent.futures import Executor, ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from functions.export_backup.read_ahead import Answer, ReadAhead, Stretch
from tests.unit.export_backup.tables_read_ahead import (
    PAGE,
    AtOnce,
    Later,
    Table,
    ahead,
    even_table,
    read,
)

PARTS = st.lists(st.integers(0, 40) | st.integers(0, 10**6 - 1), min_size=1, max_size=3)
EVEN = PARTS.map(lambda parts: "#".join(f"{part:06d}" for part in parts))
UNEVEN = st.text("0123456789#ab٣", min_size=1, max_size=6)
BOUND = st.none() | EVEN | UNEVEN


@settings(max_examples=300)
@given(
    keys=st.sets(EVEN, max_size=120) | st.sets(UNEVEN, max_size=60) | st.sets(EVEN | UNEVEN, max_size=60),
    first=BOUND,
    before=BOUND,
    at_once=st.booleans(),
    tells=st.booleans(),
)
def test_every_key_of_the_range_comes_once_and_in_order(
    keys: set[str], first: str | None, before: str | None, at_once: bool, tells: bool
) -> None:
    table = Table(sorted(keys), page=10, tells=tells)
    wanted = [
        key for key in table.keys if (first is None or key >= first) and (before is None or key < before)
    ]
    assert read(table, AtOnce() if at_once else Later(), first, before) == wanted
    assert len(table.asked) <= 4 * len(keys) + 12


def test_several_stretches_are_under_way_at_once_and_no_more_than_five() -> None:
    lanes = Later()
    table = even_table(2_000)
    assert read(table, lanes) == table.keys
    assert 4 <= lanes.most <= 5


@pytest.mark.parametrize("step", [1, 7, 1_000])
def test_few_more_requests_are_made_than_there_are_pages(step: int) -> None:
    table = even_table(20_000, step)
    assert read(table, AtOnce()) == table.keys
    assert len(table.asked) <= 1.5 * len(table.keys) / PAGE


def uneven_table(proofs: int) -> Table:
    numbers = random.Random(1)  # noqa: S311  not for secrets
    return Table(
        [
            f"{proof:012d}#{number:06d}"
            for proof in range(proofs)
            for number in range(numbers.choice((1, 2, 3, 4, 5)))
        ]
    )


def test_where_some_proofs_have_more_than_others_few_stretches_overflow() -> None:
    table = uneven_table(20_000)
    assert read(table, AtOnce()) == table.keys
    assert sum(stretch.after is not None for stretch in table.asked) <= 0.2 * len(table.asked)


def test_what_is_left_of_a_stretch_that_overflowed_is_no_gap() -> None:
    table = uneven_table(20_000)
    assert read(table, AtOnce()) == table.keys
    assert sum(stretch.before is None for stretch in table.asked) <= 3


def test_it_soon_learns_that_records_lie_closer_or_wider() -> None:
    numbers = [
        begin + number * step
        for begin, step in ((0, 1), (10**5, 100), (10**6, 1), (10**7, 1_000))
        for number in range(2_000)
    ]
    table = Table([f"{number:012d}" for number in numbers])
    assert read(table, AtOnce()) == table.keys
    assert len(table.asked) <= 200
    assert sum(stretch.after is not None for stretch in table.asked) <= 10


def test_one_proof_with_all_the_comments_is_cut_as_well() -> None:
    lanes = Later()
    table = Table([f"{7:012d}#{1:06d}#{number:012d}" for number in range(500, 13_000)])
    assert read(table, lanes) == table.keys
    assert 4 <= lanes.most <= 5
    assert len(table.asked) <= 1.5 * len(table.keys) / PAGE


def test_a_gap_costs_a_few_requests_however_wide_it_is() -> None:
    near, far = range(5_000), range(10**11, 10**11 + 5_000)
    table = Table([f"{number:012d}" for number in (*near, *far)])
    assert read(table, Later()) == table.keys
    assert len(table.asked) <= 1.5 * len(table.keys) / PAGE + 12


@pytest.mark.parametrize("tells", [True, False])
def test_what_was_asked_for_in_vain_takes_nobodys_place(tells: bool) -> None:
    """Where the first key is not known, the first stretches are far too wide, and those behind them empty."""
    lanes = Later()
    table = Table([f"{number:012d}" for number in range(100_000, 110_000)], tells=tells)
    assert read(table, lanes) == table.keys
    assert lanes.alone <= 4
    if tells:
        assert (table.asked[1].before or "~") < table.keys[5 * PAGE]  # cut to a page's width from the first
    assert len(table.asked) <= 1.5 * len(table.keys) / PAGE


def test_it_goes_on_by_itself_as_far_as_there_is_room() -> None:
    table = even_table(2_000)
    ReadAhead(table.ask, ahead(AtOnce()), Stretch(None, None))
    assert len(table.asked) == 2


def test_what_was_taken_is_held_by_nobody_else() -> None:
    class Content:
        pass

    def ask(stretch: Stretch) -> Answer:
        more = stretch.after is None
        key = {"sk": {"S": "1"}} if more else None
        return Answer(Content(), 100, "0", key, "1" if more else None)

    answers = iter(ReadAhead(ask, ahead(AtOnce()), Stretch(None, None)))
    taken = weakref.ref(next(answers)[1])
    assert taken() is None


def test_a_table_of_one_page_costs_one_request() -> None:
    table = even_table(PAGE)
    assert read(table, AtOnce()) == table.keys
    assert len(table.asked) == 1


def test_the_first_request_is_made_before_anything_is_wanted() -> None:
    table = even_table(3)
    ReadAhead(table.ask, ahead(AtOnce()), Stretch(None, None))
    assert table.asked == [Stretch(None, None)]


def test_a_failure_comes_where_the_answer_would_have_come() -> None:
    table = even_table(1_000)
    fails_from = table.keys[500]

    def ask(stretch: Stretch) -> Answer:
        if (stretch.first or "") >= fails_from:
            raise OSError("not reached")
        return table.ask(stretch)

    came: list[str] = []

    def read_on(lanes: Executor) -> None:
        for _, keys in ReadAhead(ask, ahead(lanes), Stretch(None, None)):
            came.extend(keys)

    with ThreadPoolExecutor(4) as lanes, pytest.raises(OSError, match="not reached"):
        read_on(lanes)
    assert came == table.keys[: len(came)]
    assert len(came) >= 400


def test_what_is_no_longer_wanted_is_not_asked_for() -> None:
    lanes = Later()
    table = even_table(2_000)
    answers = iter(ReadAhead(table.ask, ahead(lanes), Stretch(None, None)))
    for _ in range(10):
        next(answers)
    waiting = [done for done, _ in lanes.waiting]
    assert waiting
    answers.close()  # type: ignore[attr-defined]
    assert all(done.cancelled() for done in waiting)
