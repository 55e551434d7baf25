"""The seeded account: the same every time, in key order, with everything an export can stumble over."""

from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from moto import mock_aws

from local import seed
from local.odd_text import ODD
from tests.doubles import make_table

NOW = datetime(2026, 11, 23, 10, 0, 0, 123456, tzinfo=UTC)
TABLES = ("ORGANISATION", "USERS", "CONTACTS", "FILES", "RECIPIENTS", "COMMENTS", "RESPONSES")


@pytest.fixture(scope="module")
def records() -> list[seed.Record]:
    return list(seed.records(seed.Account(), NOW))


def items(records: list[seed.Record], table: str) -> list[seed.Item]:
    return [item for name, item in records if name == table]


def test_the_same_account_and_moment_give_the_same_records(records: list[seed.Record]) -> None:
    assert list(seed.records(seed.Account(), NOW)) == records


def test_another_seed_gives_other_records(records: list[seed.Record]) -> None:
    assert list(seed.records(seed.Account(seed=2), NOW)) != records


@pytest.mark.parametrize("table", TABLES)
def test_each_table_comes_in_the_order_of_its_keys_and_each_key_once(
    records: list[seed.Record], table: str
) -> None:
    keys = [item["sk"] for item in items(records, table)]
    assert keys
    assert keys == sorted(set(keys))
    assert {item["pk"] for item in items(records, table)} == {f"ACCOUNT#9789#{table}"}


@pytest.mark.parametrize(("proofs", "comments"), [(1, 0), (3, 200), (45, 90)])
def test_there_are_as_many_proofs_and_comments_as_asked_for(proofs: int, comments: int) -> None:
    account = seed.Account(id="12", proofs=proofs, comments=comments)
    records = list(seed.records(account, NOW))
    of_proofs = {item["id"] for item in items(records, "FILES") if item["type"] == "proof"}
    assert len(of_proofs) == proofs
    assert len(items(records, "COMMENTS")) == comments + 1  # and the one of tomorrow


def test_exactly_one_record_was_created_after_now(records: list[seed.Record]) -> None:
    moments = [item.get("created_at") or item.get("uploaded_at") for _, item in records]
    assert len([moment for moment in moments if moment and datetime.fromisoformat(moment) > NOW]) == 1


def test_every_odd_text_stands_in_a_comment(records: list[seed.Record]) -> None:
    assert set(ODD) <= {item.get("comment") for item in items(records, "COMMENTS")}


def test_some_text_is_missing_and_some_is_empty(records: list[seed.Record]) -> None:
    comments = items(records, "COMMENTS")
    assert any("comment" not in item for item in comments)
    assert any(item.get("comment") == "" for item in comments)


def test_a_proof_with_all_that_hangs_on_it_lies_in_the_trash(records: list[seed.Record]) -> None:
    trashed = {item["id"] for item in items(records, "FILES") if item["status"] == "trashed"}
    for table in ("RECIPIENTS", "COMMENTS", "RESPONSES"):
        assert any(item["proof_id"] in trashed for item in items(records, table))
    versions = [item["id"] for item in items(records, "FILES") if item["id"] in trashed]
    assert len(versions) > len(set(versions))


def test_comments_say_how_many_responses_they_have(records: list[seed.Record]) -> None:
    counted: dict[int, int] = {}
    for response in items(records, "RESPONSES"):
        counted[response["comment_id"]] = counted.get(response["comment_id"], 0) + 1
    for comment in items(records, "COMMENTS"):
        assert comment["responses_count"] == counted.get(comment["id"], 0)


def test_what_is_written_is_what_dynamodb_holds(
    records: list[seed.Record], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    with mock_aws():
        dynamodb = boto3.client("dynamodb", "eu-west-1")
        make_table(dynamodb, "source")
        table: Any = boto3.resource("dynamodb", "eu-west-1").Table("source")
        some = [item for _, item in records][:330]
        assert seed.write(boto3.client("dynamodb", "eu-west-1"), "source", some) == 330
        stored = table.scan()["Items"]
    assert sorted(stored, key=lambda item: (item["pk"], item["sk"])) == sorted(
        some, key=lambda item: (item["pk"], item["sk"])
    )


class Throttled:
    """A DynamoDB that takes one item of a batch at a time."""

    def __init__(self) -> None:
        self.taken: list[str] = []

    def batch_write_item(self, RequestItems: dict[str, list[Any]]) -> dict[str, Any]:  # noqa: N803  boto3's name
        ((table, requests),) = RequestItems.items()
        self.taken.append(requests[0]["PutRequest"]["Item"]["sk"]["S"])
        return {"UnprocessedItems": {table: requests[1:]} if requests[1:] else {}}


def test_items_that_dynamodb_sends_back_are_written_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seed, "sleep", lambda _seconds: None)
    table = Throttled()
    seed.write(table, "source", [{"pk": "p", "sk": str(number)} for number in range(40)])
    assert sorted(table.taken, key=int) == [str(number) for number in range(40)]
