"""The source's table, read through moto's DynamoDB."""

import json
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectTimeoutError, EndpointConnectionError, ReadTimeoutError
from moto import mock_aws

from functions.export_backup.catalogue import COMMENTS, CONTACTS, FILES, USERS, Cell, Table
from functions.export_backup.source import Source, SourceRefused, SourceUnavailable
from functions.export_backup.wire import RAW, tapped
from tests.doubles import make_table

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

NAME = "source-of-the-tests"


@pytest.fixture
def dynamodb(monkeypatch: pytest.MonkeyPatch) -> Iterator["DynamoDBClient"]:
    for variable in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setitem(os.environ, variable, "testing")
    with mock_aws():
        client = boto3.client(
            "dynamodb", region_name="eu-west-1", config=Config(retries={"total_max_attempts": 2})
        )
        make_table(client, NAME)
        yield tapped(client)


@pytest.fixture
def source(dynamodb: "DynamoDBClient") -> Source:
    return Source(dynamodb, NAME, "9789")


def put(client: "DynamoDBClient", table: str, sk: str, account: str = "9789", **attributes: Any) -> None:
    key = {"pk": {"S": f"ACCOUNT#{account}#{table}"}, "sk": {"S": sk}}
    client.put_item(TableName=NAME, Item=key | attributes)


class Record(NamedTuple):
    sk: str
    created: Cell
    status: Cell
    row: tuple[Cell, ...]


def all_of(source: Source, table: Table, first: str | None = None, before: str | None = None) -> list[Record]:
    return [
        Record(*record)
        for page in source.pages(table, first, before)
        for record in zip(page.keys, page.created, page.status, zip(*page.columns, strict=True), strict=True)
    ]


def watched(client: "DynamoDBClient") -> list[dict[str, Any]]:
    """What is asked of DynamoDB from now on."""
    requests: list[dict[str, Any]] = []
    client.meta.events.register(
        "provide-client-params.dynamodb.Query", lambda params, **_: requests.append(dict(params))
    )
    return requests


def test_the_records_come_in_the_order_of_their_keys_and_of_this_account_and_table_only(
    dynamodb: "DynamoDBClient", source: Source
) -> None:
    for number in (2, 10, 1):
        put(dynamodb, "CONTACTS", f"{number:012d}", id={"N": str(number)}, name={"S": f"n{number}"})
    put(dynamodb, "CONTACTS", f"{3:012d}", account="97890", name={"S": "another account's"})
    put(dynamodb, "USERS", f"{4:012d}", name={"S": "another table's"})
    assert [record.row for record in all_of(source, CONTACTS)] == [
        ("1", "n1", None, None),
        ("2", "n2", None, None),
        ("10", "n10", None, None),
    ]


def test_pages_of_a_megabyte_are_followed_to_the_end(dynamodb: "DynamoDBClient", source: Source) -> None:
    for number in range(8):
        put(dynamodb, "CONTACTS", f"{number:012d}", name={"S": "x" * 300_000})
    requests = watched(dynamodb)
    pages = list(source.pages(CONTACTS))
    assert [key for page in pages for key in page.keys] == [f"{number:012d}" for number in range(8)]
    assert len(requests) > 1
    assert not any(request.get("ConsistentRead") for request in requests)


@pytest.mark.parametrize(
    ("first", "before", "found"),
    [
        (None, None, ["1#1", "1#2", "2#1", "3#1"]),
        ("2", None, ["2#1", "3#1"]),
        (None, "2", ["1#1", "1#2"]),
        ("1", "3", ["1#1", "1#2", "2#1"]),
        ("1#2", "3#1", ["1#2", "2#1"]),  # the bound itself is the next unit's
        ("4", None, []),
    ],
)
def test_a_range_has_its_first_key_and_not_the_one_before_which_it_ends(
    dynamodb: "DynamoDBClient", source: Source, first: str | None, before: str | None, found: list[str]
) -> None:
    for sk in ("1#1", "1#2", "2#1", "3#1"):
        put(dynamodb, "FILES", sk)
    assert [record.sk for record in all_of(source, FILES, first, before)] == found


def test_an_attribute_outside_the_catalogue_is_never_even_asked_for(
    dynamodb: "DynamoDBClient", source: Source
) -> None:
    secrets: dict[str, Any] = {
        name: {"S": "SECRET"} for name in ("api_token", "password_hash", "personal_url", "status2")
    }
    put(dynamodb, "USERS", "1", name={"S": "Ann"}, created_at={"S": "2026-01-01T00:00:00Z"}, **secrets)
    answers: list[str] = []
    dynamodb.meta.events.register(
        "after-call.dynamodb.Query", lambda parsed, **_: answers.append(str(parsed))
    )
    assert "SECRET" not in str(all_of(source, USERS))
    assert "Ann" in answers[0]
    assert "SECRET" not in answers[0]


def test_creation_and_status_come_with_the_record(dynamodb: "DynamoDBClient", source: Source) -> None:
    put(dynamodb, "FILES", "1#1", status={"S": "trashed"}, uploaded_at={"S": "2026-01-01T00:00:00Z"})
    put(dynamodb, "FILES", "2#1")
    put(dynamodb, "USERS", "1", status={"S": "trashed"})
    assert [(r.created, r.status) for r in all_of(source, FILES)] == [
        ("2026-01-01T00:00:00Z", "trashed"),
        (None, None),
    ]
    assert all_of(source, USERS)[0].status is None  # a user's status says nothing of a trash


def failing(source: Source, error: Exception, after: int = 0) -> list[Exception]:
    """Makes every request but the first ones end like this; the requests that were tried."""
    tried: list[Exception] = []

    def refuse(**_: Any) -> None:
        tried.append(error)
        if len(tried) > after:
            raise error

    source.client.meta.events.register("before-call.dynamodb.Query", refuse)
    return tried


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("ProvisionedThroughputExceededException", 400),
        ("ThrottlingException", 400),
        ("RequestLimitExceeded", 400),
        ("InternalServerError", 500),
        ("ServiceUnavailable", 503),
        ("SomethingNew", 502),
    ],
)
def test_what_passes_is_unavailable(source: Source, code: str, status: int) -> None:
    details: Any = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
    failing(source, ClientError(details, "Query"))
    with pytest.raises(SourceUnavailable) as raised:
        all_of(source, COMMENTS)
    assert raised.value.table == "COMMENTS"
    assert str(raised.value) == "the source's table COMMENTS could not be read for now"


@pytest.mark.parametrize(
    "error",
    [
        EndpointConnectionError(endpoint_url="https://dynamodb"),
        ConnectTimeoutError(endpoint_url="https://dynamodb"),
        ReadTimeoutError(endpoint_url="https://dynamodb"),
    ],
)
def test_a_lost_connection_is_unavailable(source: Source, error: Exception) -> None:
    failing(source, error)
    with pytest.raises(SourceUnavailable):
        all_of(source, COMMENTS)


def test_a_refused_table_is_refused(source: Source) -> None:
    details: Any = {"Error": {"Code": "AccessDeniedException"}, "ResponseMetadata": {"HTTPStatusCode": 400}}
    failing(source, ClientError(details, "Query"))
    with pytest.raises(SourceRefused) as raised:
        all_of(source, COMMENTS)
    assert str(raised.value) == "the source's table COMMENTS may not be read or does not exist"


def test_a_table_that_does_not_exist_is_refused(dynamodb: "DynamoDBClient") -> None:
    with pytest.raises(SourceRefused) as raised:
        all_of(Source(dynamodb, "no-such-table", "9789"), COMMENTS)
    assert raised.value.table == "COMMENTS"


def test_an_error_that_is_our_own_is_let_through(source: Source) -> None:
    details: Any = {"Error": {"Code": "ValidationException"}, "ResponseMetadata": {"HTTPStatusCode": 400}}
    failing(source, ClientError(details, "Query"))
    with pytest.raises(ClientError):
        all_of(source, COMMENTS)


def test_a_throttle_in_the_middle_of_the_pages_is_unavailable(
    dynamodb: "DynamoDBClient", source: Source
) -> None:
    for number in range(8):
        put(dynamodb, "CONTACTS", f"{number:012d}", name={"S": "x" * 300_000})
    details: Any = {"Error": {"Code": "ThrottlingException"}, "ResponseMetadata": {"HTTPStatusCode": 400}}
    failing(source, ClientError(details, "Query"), after=1)
    pages = source.pages(CONTACTS)
    assert next(pages).keys
    with pytest.raises(SourceUnavailable):
        list(pages)


def test_a_client_that_hands_nothing_over_unparsed_is_read_all_the_same(dynamodb: "DynamoDBClient") -> None:
    put(dynamodb, "CONTACTS", "1", name={"S": "Ann"})
    untapped = boto3.client("dynamodb", region_name="eu-west-1")
    assert all_of(Source(untapped, NAME, "9789"), CONTACTS) == all_of(
        Source(dynamodb, NAME, "9789"), CONTACTS
    )


def test_the_answer_comes_as_the_bytes_that_dynamodb_sent(dynamodb: "DynamoDBClient") -> None:
    """The event is botocore's own and documented nowhere: a release that changes it is to be noticed."""
    put(dynamodb, "CONTACTS", "1", name={"S": "Ann"})
    query = {
        "KeyConditionExpression": "pk = :pk",
        "ExpressionAttributeValues": {":pk": {"S": "ACCOUNT#9789#CONTACTS"}},
    }
    answer: Any = dynamodb.query(TableName=NAME, **query)  # type: ignore[arg-type]
    assert json.loads(answer[RAW])["Items"] == [
        {"pk": {"S": "ACCOUNT#9789#CONTACTS"}, "sk": {"S": "1"}, "name": {"S": "Ann"}}
    ]
    assert "Items" not in answer
