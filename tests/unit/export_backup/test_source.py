"""The source's table, read through moto's DynamoDB."""

import dataclasses
import json
import os
from collections.abc import Iterator
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectTimeoutError, EndpointConnectionError, ReadTimeoutError
from hypothesis import given
from hypothesis import strategies as st
from moto import mock_aws

from functions.export_backup.backup_xml import BackupXml, markup_of
from functions.export_backup.catalogue import COMMENTS, CONTACTS, FILES, USERS, Cell, Column, Kind, Table
from functions.export_backup.cells import CsvMember, Tally
from functions.export_backup.encodings import encoding
from functions.export_backup.page import Page, page_of_items
from functions.export_backup.source import Source, SourceRefused, SourceUnavailable, _whole_pages
from functions.export_backup.values import decimal
from functions.export_backup.wire import RAW, PageDecoder, next_key_of, tapped
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


ONE_TEXT = Table("T", "t.csv", "t", (Column("x", "x", Kind.TEXT),), key_parts=1)
ONE_LIST = Table("T", "t.csv", "t", (Column("x", "x", Kind.LIST),), key_parts=1)


def cell(table: Table, value: Any) -> Any:
    ((only,),) = page_of_items(table, [{"sk": {"S": "1"}, "x": value}]).columns
    return only


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"S": ""}, ""),
        ({"S": "=1 \r\n😀"}, "=1 \r\n😀"),
        ({"N": "5"}, "5"),
        ({"N": "-0"}, "-0"),
        ({"N": "1E+40"}, "1" + "0" * 40),
        ({"N": "2.1e-05"}, "0.000021"),
        ({"N": "-1.50E1"}, "-15.0"),
        ({"N": "12345678901234567890123456789012345678"}, "12345678901234567890123456789012345678"),
        ({"BOOL": True}, "true"),
        ({"BOOL": False}, "false"),
        ({"NULL": True}, None),
        ({"B": b"\x00\xff"}, '"AP8="'),
        ({"L": [{"S": 'a"'}, {"N": "1E2"}, {"NULL": True}]}, '["a\\"",100,null]'),
        ({"M": {"é": {"M": {"b": {"BOOL": True}}}, "l": {"L": []}}}, '{"é":{"b":true},"l":[]}'),
        ({"SS": ["b", "a"]}, '["a","b"]'),
        ({"NS": ["1.5", "1E3"]}, "[1.5,1000]"),
        ({"BS": [b"\x01"]}, '["AQ=="]'),
    ],
)
def test_a_value_as_text(value: Any, text: str | None) -> None:
    assert cell(ONE_TEXT, value) == text


@pytest.mark.parametrize(
    ("value", "texts"),
    [
        ({"SS": ["b", "a"]}, ("a", "b")),
        ({"L": [{"S": "b"}, {"N": "1E2"}, {"BOOL": True}]}, ("b", "100", "true")),
        ({"L": [{"M": {"x": {"S": "y"}}}, {"NULL": True}]}, ('{"x":"y"}', "")),
        ({"NS": ["10", "9", "1E2"]}, ("9", "10", "100")),
        ({"L": []}, ()),
        ({"S": "one"}, ("one",)),
        ({"M": {"x": {"S": "y"}}}, ('{"x":"y"}',)),
        ({"NULL": True}, None),
    ],
)  # fmt: skip
def test_a_list_as_texts(value: Any, texts: tuple[str, ...] | None) -> None:
    assert cell(ONE_LIST, value) == texts


def test_a_missing_attribute_is_none_and_not_empty() -> None:
    for table in (ONE_TEXT, ONE_LIST):
        assert page_of_items(table, [{"sk": {"S": "1"}}]).columns == [[None]]


@given(
    st.decimals(allow_nan=False, allow_infinity=False, places=None).filter(lambda d: abs(d.adjusted()) < 126)
)
def test_a_number_keeps_its_value_and_has_no_exponent(number: Decimal) -> None:
    plain = decimal(str(number))
    assert Decimal(plain) == number
    assert "e" not in plain.lower()


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


ODD = [
    "\ud800", "1E+40", "", "é🙂", "\x00", "\\", "\\u{41}", 'a"b', "x,y", "=1", "\r", "<&>", "\ufffe", "\x0b",
]  # fmt: skip
TEXT = st.text(max_size=20) | st.sampled_from(ODD)
NUMBER = st.sampled_from(["0", "-5", "1E+40", "2.1e-05", "12345678901234567890123456789012345678", "1.50"])
SCALAR = st.builds(lambda text: {"S": text}, TEXT) | st.builds(lambda number: {"N": number}, NUMBER)
RARE = st.sampled_from(
    [{"NULL": True}, {"BOOL": False}, {"M": {"a": {"N": "1"}}}, {"B": "AAE="}, {"NS": ["2", "10"]}]
)
SEVERAL = (
    st.builds(lambda texts: {"SS": sorted(texts)}, st.sets(TEXT, min_size=1, max_size=3))
    | st.builds(lambda values: {"L": values}, st.lists(SCALAR | RARE, max_size=3))
    | SCALAR
)


@st.composite
def items(draw: st.DrawFn, table: Table, common: bool) -> list[dict[str, Any]]:
    made = []
    for number in range(draw(st.integers(0, 4))):
        item: dict[str, Any] = {"sk": {"S": f"{number:012d}"}}
        for column in table.columns:
            value = SEVERAL if column.kind is Kind.LIST else SCALAR
            if (given := draw(st.none() | (value if common else value | RARE))) is not None:
                item[column.attribute] = given
        made.append(item)
    return made


def page_off_the_wire(table: Table, decoder: PageDecoder, body: bytes) -> Page:
    """Of an answer with a few records, which make one page, or none."""
    [page] = [*_whole_pages(table, None, decoder, {RAW: body})] or [page_of_items(table, [])]
    return page


@pytest.mark.parametrize("table", [FILES, COMMENTS, USERS], ids=lambda table: table.name)
@pytest.mark.parametrize("common", [True, False])
@given(data=st.data())
def test_a_page_off_the_wire_has_the_records_that_the_long_way_reads(
    table: Table, common: bool, data: st.DataObject
) -> None:
    given_items = data.draw(items(table, common))
    body = json.dumps({"Items": given_items, "LastEvaluatedKey": {"pk": {"S": "p"}}}).encode()
    decoder, long_way = PageDecoder(table), page_of_items(table, given_items)
    before = data.draw(st.lists(items(table, common), max_size=2))
    for earlier in before:  # of which the decoder learns
        page_off_the_wire(table, decoder, json.dumps({"Items": earlier}).encode())
    page = page_off_the_wire(table, decoder, body)
    assert dataclasses.replace(page, numbers=frozenset(), signs=None) == long_way
    assert next_key_of(body) == {"pk": {"S": "p"}}


def test_of_an_answer_a_few_hundred_records_are_decoded_at_a_time() -> None:
    """Decoded, they take many times the room."""
    place, name = next((n, c.attribute) for n, c in enumerate(FILES.columns) if c.kind is Kind.TEXT)
    records: list[dict[str, Any]] = [
        {"sk": {"S": f"{number:06d}"}, name: {"S": 'a "]}, {"S": \\ b'}} for number in range(601)
    ]
    body = json.dumps({"Count": 601, "Items": records, "LastEvaluatedKey": {"sk": {"S": "x"}}}).encode()
    pages = [*_whole_pages(FILES, None, PageDecoder(FILES), {RAW: body})]
    assert max(len(page.keys) for page in pages) <= 250
    assert [key for page in pages for key in page.keys] == [record["sk"]["S"] for record in records]
    assert {cell for page in pages for cell in page.columns[place]} == {'a "]}, {"S": \\ b'}


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


@pytest.mark.parametrize("table", [FILES, COMMENTS], ids=lambda table: table.name)
@given(data=st.data())
def test_what_is_known_of_a_page_changes_no_byte(table: Table, data: st.DataObject) -> None:
    """Numbers, and signs that a page has none of, are looked for once; without, both formats are the same."""
    pages = data.draw(st.lists(items(table, common=True), min_size=1, max_size=3))
    decoder = PageDecoder(table)
    known, unknown = CsvMember(table, encoding("utf-8")), CsvMember(table, encoding("utf-8"))
    for given_items in pages:
        # Letters as they are, as DynamoDB sends them, but for the halves of pairs.
        body = json.dumps({"Items": given_items}, ensure_ascii=data.draw(st.booleans()))
        page = page_off_the_wire(table, decoder, body.encode("utf-8", "surrogatepass"))
        plain = page_of_items(table, given_items)
        assert known.page(page) == unknown.page(plain)
        if given_items:
            assert _marked_up(table, page) == _marked_up(table, plain)
    assert known.tally == unknown.tally


def _marked_up(table: Table, page: Page) -> tuple[list[bytes], Tally]:
    xml = BackupXml()
    rows = zip(*page.columns, strict=True)
    return [
        xml.fields(table, row) if markup is None else markup
        for markup, row in zip(markup_of(table, page), rows, strict=True)
    ], xml.tally
