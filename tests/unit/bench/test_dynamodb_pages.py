"""The benchmark's DynamoDB answers Query as the real one: whole pages, ranges, both ways, from anywhere."""

from __future__ import annotations

import json
import zlib
from pathlib import Path
from typing import Any

import pytest

from bench import pages, text
from bench.dynamodb_pages import QueryPages
from bench.http_server import Answer, Request
from bench.recording import SNAPSHOT, Recording, partition
from functions.export_backup.catalogue import COMMENTS
from local import seed


@pytest.fixture(scope="module")
def several_pages(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    return pages.recorded(300, tmp_path_factory.mktemp("recordings"), page_bytes=10_000)


@pytest.fixture(scope="module")
def keys() -> list[str]:
    account = seed.Account("9789", proofs=6, comments=300)
    return [item["sk"] for table, item in seed.records(account, SNAPSHOT, text) if table == "COMMENTS"]


def asked(answers: QueryPages, condition: str = "", **more: Any) -> dict[str, Any]:
    values = {":p": {"S": partition(more.pop("table", "COMMENTS"))}} | more.pop("values", {})
    query = {
        "TableName": "any",
        "KeyConditionExpression": f"#p = :p{condition}",
        "ExpressionAttributeNames": {"#p": "pk", "#s": "sk"},
        "ExpressionAttributeValues": values,
        **more,
    }
    answer: Answer = answers(Request("POST", "/", {}, {}, bytearray(json.dumps(query).encode())))
    body = b"".join(answer.body)
    assert answer.headers["x-amz-crc32"] == str(zlib.crc32(body))
    found: dict[str, Any] = json.loads(body)
    if answer.status == 200:
        assert found["Count"] == len(found["Items"])
    return found | {"status": answer.status}


def walked(answers: QueryPages, condition: str = "", **more: Any) -> list[str]:
    """The sort keys of all answers, from the first to the one without a next key."""
    found: list[str] = []
    start: dict[str, Any] = {}
    while True:
        answer = asked(answers, condition, **more, **start)
        found += [item["sk"]["S"] for item in answer["Items"]]
        if "LastEvaluatedKey" not in answer:
            return found
        assert answer["LastEvaluatedKey"]["sk"]["S"] == found[-1]
        start = {"ExclusiveStartKey": answer["LastEvaluatedKey"]}


def test_all_pages_are_all_records_in_order(several_pages: Recording, keys: list[str]) -> None:
    assert len(several_pages.tables["COMMENTS"]) > 5
    assert walked(QueryPages(several_pages)) == keys


def test_items_hold_the_projection_and_nothing_else(several_pages: Recording) -> None:
    items = asked(QueryPages(several_pages))["Items"]
    assert {name for item in items for name in item} == set(COMMENTS.placeholders.values())


@pytest.mark.parametrize("forward", [True, False])
@pytest.mark.parametrize("limit", [None, 1, 7])
@pytest.mark.parametrize(("first", "last"), [(0, 299), (3, 200), (40, 41), (77, 77)])
def test_a_range_is_what_lies_between(
    several_pages: Recording, keys: list[str], first: int, last: int, limit: int | None, *, forward: bool
) -> None:
    more: dict[str, Any] = {"ScanIndexForward": forward, **({"Limit": limit} if limit else {})}
    bounds = {":a": {"S": keys[first]}, ":b": {"S": keys[last]}}
    wanted = keys[first : last + 1]
    found = walked(QueryPages(several_pages), " AND #s BETWEEN :a AND :b", values=bounds, **more)
    assert found == (wanted if forward else wanted[::-1])


@pytest.mark.parametrize(
    ("operator", "wanted"),
    [("<", slice(0, 60)), ("<=", slice(0, 61)), (">=", slice(60, None)), (">", slice(61, None))],
)
def test_an_open_range(several_pages: Recording, keys: list[str], operator: str, wanted: slice) -> None:
    bounds = {":a": {"S": keys[60]}}
    assert walked(QueryPages(several_pages), f" AND #s {operator} :a", values=bounds) == keys[wanted]


def test_the_rest_of_the_last_page_has_no_next_key(several_pages: Recording, keys: list[str]) -> None:
    last_page = several_pages.tables["COMMENTS"][-1]
    start = {"pk": {"S": partition("COMMENTS")}, "sk": {"S": last_page.first}}
    answer = asked(QueryPages(several_pages), ExclusiveStartKey=start)
    assert [item["sk"]["S"] for item in answer["Items"]] == keys[1 - last_page.records :]
    assert "LastEvaluatedKey" not in answer


def test_an_unknown_partition_is_empty(several_pages: Recording) -> None:
    assert asked(QueryPages(several_pages), table="NONE")["Items"] == []


def test_what_it_does_not_know_is_refused(several_pages: Recording) -> None:
    answers = QueryPages(several_pages)
    assert asked(answers, " AND begins_with(#s, :p)")["status"] == 400
    assert asked(answers, Select="COUNT")["status"] == 400


def test_every_page_waits_for_its_latency(several_pages: Recording) -> None:
    slept: list[float] = []
    answers = QueryPages(several_pages, slept.append)
    asked(answers)
    answers.latency = 0.045
    asked(answers)
    assert slept == [0.045]


def test_a_recording_is_made_once(several_pages: Recording) -> None:
    kept_in: Path = several_pages.directory.parent
    made_at = (several_pages.directory / "index.json").stat().st_mtime_ns
    assert pages.recorded(300, kept_in, page_bytes=10_000) == several_pages
    assert (several_pages.directory / "index.json").stat().st_mtime_ns == made_at


def test_an_answer_goes_on_where_a_recorded_page_ends(several_pages: Recording, keys: list[str]) -> None:
    answers = QueryPages(several_pages)
    first, second = several_pages.tables["COMMENTS"][:2]
    middle = keys[first.records // 2]
    values = {":a": {"S": middle}, ":b": {"S": second.last}}
    answer = asked(answers, " AND #s BETWEEN :a AND :b", values=values)
    found = [item["sk"]["S"] for item in answer["Items"]]
    assert found == keys[first.records // 2 :][: len(found)]
    assert found[-1] > first.last
    assert ("LastEvaluatedKey" in answer) == (found[-1] != second.last)
