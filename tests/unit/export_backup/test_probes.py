"""Probes of the source: pages of keys alone, and refusals that name the table."""

from __future__ import annotations

from typing import Any

import pytest

from functions.export_backup.catalogue import COMMENTS, FILES, partition
from functions.export_backup.probes import Page, Probes
from functions.export_backup.source import SourceRefused, SourceUnavailable
from tests.unit.export_backup.running_backup import ACCOUNT_ID, RECORDS, World

PROOFS = [f"{number:012d}" for number in range(1, 5)]  # the last of them in the trash


@pytest.fixture
def probes(world: World) -> Probes:
    return Probes(world.dynamodb, RECORDS, ACCOUNT_ID)


def test_a_page_says_of_which_proofs_the_records_are_from_there_on(probes: Probes) -> None:
    starts = [(FILES, "0"), (COMMENTS, PROOFS[1]), (COMMENTS, PROOFS[1] + "0"), (FILES, "9")]
    assert probes.pages(starts) == [
        Page(PROOFS, more=False),
        Page(PROOFS[1:], more=False),
        Page(PROOFS[2:], more=False),
        Page([], more=False),
    ]


def test_the_last_page_is_of_keys_that_begin_with_a_digit(world: World, probes: Probes) -> None:
    world.dynamodb.put_item(
        TableName=RECORDS, Item={"pk": {"S": partition(ACCOUNT_ID, FILES)}, "sk": {"S": "abc#1"}}
    )
    assert probes.last_pages([FILES, COMMENTS]) == [Page(PROOFS, more=False)] * 2


def test_a_page_ends_after_a_megabyte_and_says_so(world: World, probes: Probes) -> None:
    for number in range(1, 5):
        record = {
            "pk": {"S": partition(ACCOUNT_ID, COMMENTS)},
            "sk": {"S": f"{number:012d}#000001#000000000009"},
            "comment": {"S": "x" * 390_000},
        }
        world.dynamodb.put_item(TableName=RECORDS, Item=record)
    (first,) = probes.pages([(COMMENTS, "0")])
    (last,) = probes.last_pages([COMMENTS])
    assert first == Page([PROOFS[0], PROOFS[0], PROOFS[1], PROOFS[1], PROOFS[2]], more=True)
    assert last.more
    assert last.proofs[-1] == PROOFS[3]
    assert len(last.proofs) < 8


def test_nothing_but_keys_comes_over_the_wire(world: World, probes: Probes) -> None:
    answers: list[dict[str, Any]] = []
    world.dynamodb.meta.events.register(
        "after-call.dynamodb.Query", lambda parsed, **_: answers.append(parsed)
    )
    probes.pages([(COMMENTS, "0")])
    probes.last_pages([COMMENTS])
    assert {tuple(item) for answer in answers for item in answer["Items"]} == {("sk",)}


def test_an_account_that_is_not_there_has_empty_pages(world: World) -> None:
    strange = Probes(world.dynamodb, RECORDS, "1")
    assert strange.pages([(FILES, "0")]) == strange.last_pages([FILES]) == [Page([], more=False)]


@pytest.mark.parametrize(
    ("code", "outcome"),
    [
        ("ThrottlingException", SourceUnavailable),
        ("InternalServerError", SourceUnavailable),
        ("AccessDeniedException", SourceRefused),
        ("ResourceNotFoundException", SourceRefused),
    ],
)
def test_a_source_that_says_no_is_an_outcome_that_names_the_table(
    world: World, probes: Probes, code: str, outcome: type[SourceUnavailable | SourceRefused]
) -> None:
    world.refused = {"Query:COMMENTS": (code, 500 if code == "InternalServerError" else 400)}
    with pytest.raises(outcome, match="COMMENTS"):
        probes.pages([(FILES, "0"), (COMMENTS, "0")])
    with pytest.raises(outcome, match="COMMENTS"):
        probes.last_pages([COMMENTS])
