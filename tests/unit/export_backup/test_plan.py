"""The plan: units that leave nothing out, whatever the probes say, and are even where those are true."""

from __future__ import annotations

import bisect
import json
import random
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from functions.export_backup.catalogue import COMMENTS, FILES, PROOF_TABLES, Table
from functions.export_backup.event import unit_event, units_between
from functions.export_backup.limits import Limits
from functions.export_backup.plan import MOST_PROBES, plan
from functions.export_backup.probes import PAGE_BYTES, Page
from tests.unit.export_backup.account_in_memory import AccountInMemory, export, item, key, no_items

PAGE_RECORDS = 200
PAGES_PER_UNIT = 25
LIMITS = Limits(unit_bytes=PAGES_PER_UNIT * PAGE_BYTES)


class Account:
    """Records by table, each a proof's id, in pages of so many records; `asked` counts the pages."""

    def __init__(self, tables: Mapping[Table, Iterable[str]], page_records: int = PAGE_RECORDS) -> None:
        self.tables = {table: sorted(tables.get(table, ())) for table in PROOF_TABLES}
        self.asked: Counter[str] = Counter()
        self._size = page_records

    @property
    def pages_in_all(self) -> float:
        return sum(map(len, self.tables.values())) / self._size

    def pages(self, starts: Sequence[tuple[Table, str]]) -> list[Page]:
        return [self._page(*start) for start in starts]

    def last_pages(self, tables: Sequence[Table]) -> list[Page]:
        return [self._last_page(table) for table in tables]

    def _last_page(self, table: Table) -> Page:
        self.asked["page"] += 1
        end = bisect.bisect_left(self.tables[table], ":")
        start = max(end - self._size, 0)
        return Page(self.tables[table][start:end], start > 0)

    def _page(self, table: Table, first: str) -> Page:
        self.asked["page"] += 1
        proofs = self.tables[table]
        start = bisect.bisect_left(proofs, first)
        return Page(proofs[start : start + self._size], start + self._size < len(proofs))

    def sizes(self, cuts: list[str]) -> list[float]:
        """The pages of each unit between those cuts."""
        return [
            sum(_place(proofs, end) - _place(proofs, start) for proofs in self.tables.values()) / self._size
            for start, end in pairwise(["", *cuts, None])
        ]


def _place(proofs: list[str], cut: str | None) -> int:
    return len(proofs) if cut is None else bisect.bisect_left(proofs, cut)


def padded(numbers: Iterable[int]) -> list[str]:
    return [f"{number:012d}" for number in numbers]


def commented(numbers: Iterable[int], comments: int = 20) -> Account:
    """An account of these proofs, each with about so many comments."""
    chance = random.Random(7)  # noqa: S311
    ids = padded(numbers)
    commented = [proof for proof in ids for _ in range(int(chance.gauss(comments, 4)))]
    return Account({FILES: ids, COMMENTS: commented})


# --- small and big ---


def test_a_small_account_is_one_unit_and_nothing_more_is_asked() -> None:
    account = commented(range(1, 9))
    assert plan(account, LIMITS) == []
    assert account.asked == {"page": len(PROOF_TABLES)}


def test_an_account_without_proofs_is_one_unit() -> None:
    assert plan(Account({}), LIMITS) == []


def test_an_account_of_some_pages_is_one_unit_where_that_is_less_than_a_unit() -> None:
    account = commented(range(1, 150))
    assert 10 < account.pages_in_all < PAGES_PER_UNIT
    assert plan(account, LIMITS) == []


def test_one_proof_is_one_unit_however_many_comments_it_has() -> None:
    account = Account({FILES: padded([7]), COMMENTS: padded([7]) * 50_000})
    assert plan(account, LIMITS) == []
    assert account.asked["page"] == len(PROOF_TABLES) + 1


SKEWED = {
    "one after another": range(1, 10_001),
    "with gaps": random.Random(1).sample(range(10**11), 10_000),  # noqa: S311
    "in a corner of all numbers": [1, *range(10**9, 10**9 + 10_000), 10**12 - 1],
    "in two corners": [*range(5_000), *range(10**11, 10**11 + 5_000)],
    "ever farther apart": sorted({int(1.001**power) for power in range(26_000)}),
    "ever closer together": sorted({10**12 - int(1.001**power) for power in range(26_000)}),
}


@pytest.mark.parametrize("numbers", SKEWED.values(), ids=SKEWED)
def test_units_are_about_even_however_the_proofs_are_numbered(numbers: Sequence[int]) -> None:
    account = commented(numbers)
    cuts = plan(account, LIMITS)
    ideal = account.pages_in_all / PAGES_PER_UNIT
    assert ideal * 0.7 < len(cuts) + 1 < ideal * 1.4
    assert max(account.sizes(cuts)) < 2 * PAGES_PER_UNIT
    assert account.asked["page"] <= MOST_PROBES + 2 * len(PROOF_TABLES)


def test_units_are_even_where_some_proofs_have_far_more_comments_than_others() -> None:
    ids = padded(range(1, 10_001))
    busy = [proof for proof in ids[7_000:8_000] for _ in range(300)]
    account = Account({FILES: ids, COMMENTS: busy + ids * 5})
    cuts = plan(account, LIMITS)
    assert max(account.sizes(cuts)) < 2 * PAGES_PER_UNIT
    assert len([cut for cut in cuts if ids[7_000] <= cut <= ids[8_000]]) > len(cuts) / 2


def test_what_the_tables_weigh_together_counts() -> None:
    """The files lie in the first half of the numbers, the comments in the second one."""
    account = Account(
        {FILES: padded(range(20_000)), COMMENTS: [*padded([0]), *padded(range(20_000, 40_000)) * 2]}
    )
    cuts = plan(account, LIMITS)
    assert max(account.sizes(cuts)) < 1.5 * PAGES_PER_UNIT
    assert min(account.sizes(cuts)) > PAGES_PER_UNIT / 2


def test_the_same_account_is_cut_in_the_same_way_again() -> None:
    numbers = SKEWED["with gaps"]
    assert plan(commented(numbers), LIMITS) == plan(commented(numbers), LIMITS)


def test_a_bigger_account_costs_no_more_probes_and_has_no_more_than_the_most_units() -> None:
    account = Account({COMMENTS: padded(range(200_000))}, page_records=10)
    cuts = plan(account, Limits(unit_bytes=PAGE_BYTES, most_units=500))
    assert account.pages_in_all == 20_000
    assert 400 < len(cuts) + 1 <= 500
    assert max(account.sizes(cuts)) < 4 * account.pages_in_all / 500
    assert account.asked["page"] <= MOST_PROBES + 2 * len(PROOF_TABLES)


# --- ids that are not as they should be ---


@pytest.mark.parametrize("width", [1, 25, 60])
def test_ids_may_have_any_width(width: int) -> None:
    account = Account({COMMENTS: [f"{number:0{width}d}" for number in range(10**4, 4 * 10**4)]})
    cuts = plan(account, LIMITS)
    assert cuts == sorted(set(cuts))
    if width == 60:  # of which the first 40 digits, all of them 0, are looked at
        assert cuts == []
    else:
        assert max(account.sizes(cuts)) < 2 * PAGES_PER_UNIT


def test_ids_of_uneven_width_are_cut_as_their_texts_sort() -> None:
    account = Account({COMMENTS: [str(number) for number in range(1, 30_000)]})
    cuts = plan(account, LIMITS)
    assert len(cuts) > 3
    assert max(account.sizes(cuts)) < 2 * PAGES_PER_UNIT


def test_ids_that_are_no_numbers_are_one_unit() -> None:
    account = Account({COMMENTS: [f"proof-{number:09d}" for number in range(30_000)]})
    assert plan(account, LIMITS) == []


def test_a_few_ids_that_are_no_numbers_do_not_stand_in_the_way() -> None:
    account = Account({COMMENTS: ["!", "abc", "abd", "9zz", "৪", *padded(range(30_000))]})
    cuts = plan(account, LIMITS)
    assert max(account.sizes(cuts)) < 2 * PAGES_PER_UNIT


# --- whatever the probes say ---

texts = st.text(st.sampled_from("0123456789aé#!:"), max_size=15) | st.integers(0, 10**12).map(str)
lies = st.builds(Page, st.lists(texts, max_size=8), st.booleans())


class Liar:
    """A source that says anything, and every time something else."""

    def __init__(self, data: st.DataObject) -> None:
        self._data = data

    def pages(self, starts: Sequence[tuple[Table, str]]) -> list[Page]:
        return [self._data.draw(lies) for _ in starts]

    def last_pages(self, tables: Sequence[Table]) -> list[Page]:
        return [self._data.draw(lies) for _ in tables]


@settings(max_examples=200, deadline=None)
@given(st.data(), st.integers(1, 50), st.integers(1, 10 * PAGE_BYTES))
def test_whatever_the_probes_say_each_proof_is_in_exactly_one_unit(
    data: st.DataObject, most_units: int, unit_bytes: int
) -> None:
    cuts = plan(Liar(data), Limits(unit_bytes=unit_bytes, most_units=most_units))
    assert len(cuts) < most_units
    units = units_between(cuts)
    assert units[0].first_proof is None
    assert units[-1].before_proof is None
    for one, following in pairwise(units):
        assert one.before_proof == following.first_proof
    assert all(one < other for one, other in pairwise(cuts))
    # What has no `#` cannot come between `proof#1` and `proof#2`.
    assert not any("#" in cut for cut in cuts)


@settings(max_examples=30, deadline=None)
@given(st.sets(st.integers(0, 60), min_size=1), st.integers(1, 3), st.integers(1, 8))
def test_what_is_exported_by_the_plan_is_what_one_unit_exports(
    numbers: set[int], comments: int, most_units: int
) -> None:
    items = no_items()
    for proof in padded(numbers):
        items["FILES"].append(item(FILES, f"{proof}#000001", status="active", uploaded_at=None))
        items["COMMENTS"] += [
            item(COMMENTS, f"{proof}#000001#{number:012d}", created_at=None) for number in range(comments)
        ]
    account = {table: [key(one).partition("#")[0] for one in items[table.name]] for table in PROOF_TABLES}
    cuts = plan(Account(account, page_records=4), Limits(unit_bytes=PAGE_BYTES, most_units=most_units))
    units = [unit.unit for unit in units_between(cuts)]
    assert export(AccountInMemory(items), units)[0] == export(AccountInMemory(items))[0]


# --- within what AWS takes ---


def test_the_units_and_what_they_return_stay_within_what_a_state_and_its_event_may_have() -> None:
    """A state has 256 KiB; an execution's end is told with its input only where that and the output, escaped
    as text in JSON, come to less than 248 KB, and the sweeper needs the input.

    https://docs.aws.amazon.com/step-functions/latest/dg/eventbridge-integration.html
    """
    cuts = [f"{number:040d}" for number in range(1, Limits.most_units)]
    units = [unit_event(unit) for unit in units_between(cuts)]
    exported = [{"unit": unit["number"], "attempt": "0" * 26, "records": 10**12} for unit in units]
    state = {
        "account_id": "9" * 20,
        "backup_id": "0" * 26,
        "plan": {"units": units, "concurrency": 500, "many": True},
        "exported": exported,
        "archive": {"bytes": 10**13, "records": 10**12, "replaced": 10**12},
    }
    assert len(units) == 500
    assert len(json.dumps(state)) < 256 * 1024
    given = {"account_id": state["account_id"], "backup_id": state["backup_id"]}
    assert len(json.dumps(json.dumps(state))) + len(json.dumps(json.dumps(given))) < 248 * 1000
