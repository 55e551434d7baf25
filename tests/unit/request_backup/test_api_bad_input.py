"""Bad input: a clear refusal, never a 500, nothing written, and no call to AWS for what cannot be."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from shared.encodings import ENCODING_NAMES
from shared.ids import is_backup_id
from tests.unit.request_backup.api_world import ApiWorld, claims_of

LONG = 10_000
JSON = {"Content-Type": "application/json"}
# The world is set up once and begun anew by account, not by example.
examples = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def untouched(world: ApiWorld, account: str) -> bool:
    return set(world.table.records(account)) == {"SETTINGS"} and not world.calls["StartExecution"]


# --- bodies ---

BODIES = [("POST", "/backups"), ("PUT", "/settings")]

NOT_READABLE = {
    "absent": None,
    "empty": "",
    "blank": " \r\n",
    "null": "null",
    "array": "[]",
    "text": '"x"',
    "number": "1",
    "broken": '{"encoding": "utf-8"',
    "two objects": "{}{}",
    "single quotes": "{'encoding': 'utf-8'}",
    "trailing comma": '{"encoding": "utf-8",}',
    "duplicate keys": '{"encoding": "utf-8", "encoding": "utf-16"}',
    "duplicate keys further in": '{"x": {"a": 1, "a": 2}}',
    "duplicate keys, one escaped": '{"encoding": "utf-8", "\\u0065ncoding": "utf-16"}',
    "deep arrays": "[" * LONG + "]" * LONG,
    "deep objects": '{"a":' * LONG + "1" + "}" * LONG,
    "deep and open": "[" * LONG,
    "NaN": '{"encoding": NaN}',
    "Infinity": '{"encoding": -Infinity}',
    "1e400": '{"encoding": 1e400}',
    "10 MB": json.dumps({"encoding": "x" * 10_000_000}),
    "byte order mark": "\ufeff{}",
    "control character": '{"encoding": "utf-8\n"}',
    "not UTF-8": "\ud800{}",
    "form": "encoding=utf-8",
}


@pytest.mark.parametrize("body", NOT_READABLE.values(), ids=NOT_READABLE.keys())
def test_a_body_that_is_no_json_object_is_400_and_nothing_happens(
    world: ApiWorld, account: str, body: str | None
) -> None:
    for method, path in BODIES:
        answer = world.call(method, path, claims=claims_of(account), body=body, headers=JSON)
        assert (answer.status, answer.problem) == (400, "malformed-request")
    assert not world.calls
    assert untouched(world, account)


NOT_BASE64 = {
    "no base64": "{}",
    "wrong padding": "e30",
    "outside ASCII": "é",
    "not UTF-8 within": base64.b64encode(b"\xff\xfe{\x00}\x00").decode(),
    "cp037 within": base64.b64encode("{}".encode("cp037")).decode(),
    "null within": base64.b64encode(b"null").decode(),
    "nothing within": "",
    "10 MB within": base64.b64encode(b" " * 7_500_000).decode(),
}


@pytest.mark.parametrize("body", NOT_BASE64.values(), ids=NOT_BASE64.keys())
def test_bytes_that_are_no_json_object_are_400(world: ApiWorld, account: str, body: str) -> None:
    answer = world.request(account, body, is_base64=True)
    assert (answer.status, answer.problem) == (400, "malformed-request")
    assert untouched(world, account)


def test_bytes_that_are_a_json_object_are_read(world: ApiWorld, account: str) -> None:
    body = base64.b64encode(b'{"encoding": "big5"}').decode()
    assert world.request(account, body, is_base64=True).body["encoding"] == "big5"


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json; charset=utf-16",
        "application/json; charset=iso-8859-1",
        "application/json; charset=rot13",
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "",
    ],
)
def test_another_media_type_or_charset_is_400(world: ApiWorld, account: str, content_type: str) -> None:
    answer = world.request(account, headers={"content-type": content_type})
    assert (answer.status, answer.problem) == (400, "malformed-request")
    assert untouched(world, account)


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "application/json"},
        {"content-type": "Application/JSON; charset=UTF-8"},
        {"CONTENT-TYPE": 'application/json;charset="utf-8"'},
        {},
    ],
)
def test_json_in_utf_8_is_read_however_the_header_is_written(
    world: ApiWorld, account: str, headers: dict[str, str]
) -> None:
    assert world.request(account, " {}\n", headers=headers).status == 202


# --- fields ---


@pytest.mark.parametrize(
    "encoding",
    [
        "rot13",
        "idna",
        "utf-8\0",
        "cp037",
        "UTF-8",
        "utf8",
        "latin-1",
        "",
        " utf-8",
        "hex",
        "../../etc",
        "x" * 1_000_000,
    ],
    ids=lambda encoding: encoding[:20] or "empty",
)
def test_an_encoding_that_is_not_offered_is_422_and_the_offered_ones_are_listed(
    world: ApiWorld, account: str, encoding: str
) -> None:
    answer = world.request(account, json.dumps({"encoding": encoding}))
    assert (answer.status, answer.problem) == (422, "invalid-request")
    (error,) = answer.body["errors"]
    assert error["field"] == "encoding"
    assert all(name in error["problem"] for name in ENCODING_NAMES)
    assert len(answer.text) < LONG
    assert untouched(world, account)


@pytest.mark.parametrize("name", ENCODING_NAMES)
def test_every_offered_encoding_can_be_wished_for(world: ApiWorld, account: str, name: str) -> None:
    assert world.request(account, json.dumps({"encoding": name})).body["encoding"] == name


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"colour": "red"}, ["colour"]),
        ({"encoding": 1}, ["encoding"]),
        ({"encoding": None}, ["encoding"]),
        ({"encoding": ["utf-8"]}, ["encoding"]),
        ({"encoding": True}, ["encoding"]),
        ({"language": 1}, ["language"]),
        ({"language": None}, ["language"]),
        ({"language": {}}, ["language"]),
        ({"Encoding": "utf-8"}, ["Encoding"]),
        ({"": 1}, [""]),
        ({"account_id": "1", "encoding": 0, "language": []}, ["account_id", "encoding", "language"]),
        ({"\ud800": 1}, ["\ud800"]),
    ],
)
def test_an_unknown_field_or_a_wrong_type_is_422_naming_the_field(
    world: ApiWorld, account: str, fields: dict[str, Any], named: list[str]
) -> None:
    answer = world.request(account, json.dumps(fields))
    assert (answer.status, answer.problem) == (422, "invalid-request")
    assert [error["field"] for error in answer.body["errors"]] == named
    assert untouched(world, account)


def test_a_thousand_unknown_fields_get_a_short_answer(world: ApiWorld, account: str) -> None:
    answer = world.request(account, json.dumps({f"f{n}": n for n in range(300)}))
    assert answer.status == 422
    assert len(answer.text) < LONG


def test_a_huge_field_name_is_not_sent_back(world: ApiWorld, account: str) -> None:
    answer = world.request(account, json.dumps({"x" * 1_000_000: 1}))
    assert answer.status in (400, 422)
    assert len(answer.text) < LONG


@pytest.mark.parametrize(
    "language", ["../../etc", "x" * LONG, "", "en\0", "nl\r\nBcc: e@x", "\U0001f600", "{{7*7}}"]
)
def test_a_language_that_is_none_is_the_default_one(world: ApiWorld, account: str, language: str) -> None:
    assert world.request(account, json.dumps({"language": language})).status == 202
    running = world.store.running(account)
    assert running is not None
    assert running.requested_by.language == "en"


# --- ids ---

NO_IDS = {
    "dots": "..",
    "up": "../../etc/passwd",
    "encoded dots": "%2e%2e",
    "encoded slash": "..%2F..%2Fetc",
    "hash": "#",
    "encoded hash": "%23PENDING",
    "NUL": "\0",
    "encoded NUL": "%00",
    "10 kB": "0" * LONG,
    "unicode digits": "01JDA8Z4T0ABCDEFGHJKMNPQR\u0665",
    "full-width digits": "\uff10" * 26,
    "PENDING": "PENDING",
    "SETTINGS": "SETTINGS",
    "lower case": "01jda8z4t0abcdefghjkmnpqrs",
    "one short": "01JDA8Z4T0ABCDEFGHJKMNPQR",
    "one long": "01JDA8Z4T0ABCDEFGHJKMNPQRS0",
    "blank": " ",
    "script": "<script>",
}


@pytest.mark.parametrize(("method", "rest"), [("GET", ""), ("DELETE", ""), ("POST", "/download-url")])
@pytest.mark.parametrize("text", NO_IDS.values(), ids=NO_IDS.keys())
def test_what_is_no_id_is_404_without_a_call_to_aws(
    world: ApiWorld, account: str, text: str, method: str, rest: str
) -> None:
    answer = world.call(method, f"/backups/{text}{rest}", claims=claims_of(account))
    assert answer.status == 404
    assert not world.calls


@examples
@given(st.text(min_size=1).filter(lambda text: not is_backup_id(text)))
def test_no_id_whatever_makes_a_500_or_reaches_aws(world: ApiWorld, account: str, text: str) -> None:
    world.begin_anew()
    answer = world.call("POST", f"/backups/{text}/download-url", claims=claims_of(account))
    assert answer.status == 404
    assert not world.calls


def test_another_account_s_id_is_answered_word_for_word_as_an_unknown_one(
    world: ApiWorld, account: str
) -> None:
    other = account + "0"
    world.table.set_account(other)
    world.put_archive(world.table.ready(other).object_key)
    theirs = [world.table.failed(other), world.table.ready(other), world.table.pending(other)]
    unknown, malformed = "01JDA8Z4T0ZZZZZZZZZZZZZZZZ", "x"
    for method, path in (
        ("GET", "/backups/{}"),
        ("DELETE", "/backups/{}"),
        ("POST", "/backups/{}/download-url"),
    ):
        answers = {
            (answer.status, answer.text, tuple(sorted(answer.headers.items())))
            for backup_id in [*(one.id for one in theirs), unknown, malformed]
            for answer in [world.call(method, path.format(backup_id), claims=claims_of(account))]
        }
        assert len(answers) == 1
        assert next(iter(answers))[0] == 404


@pytest.mark.parametrize(
    "expect", ["", "x", "pending", "READY", "deleted", "running,ready", "\0", "0" * LONG]
)
def test_to_expect_what_no_one_sees_is_400_without_a_call_to_aws(
    world: ApiWorld, account: str, expect: str
) -> None:
    backup_id = world.table.pending(account).id
    world.table.line.mend()
    answer = world.remove(account, backup_id, query={"expect": expect})
    assert (answer.status, answer.problem) == (400, "malformed-request")
    assert not world.calls


@pytest.mark.parametrize("before", ["", "x", "PENDING", "01JDA8Z4T0ABCDEFGHJKMNPQRS~", "\0", "0" * LONG])
def test_a_page_before_what_is_no_id_is_400_without_a_call_to_aws(
    world: ApiWorld, account: str, before: str
) -> None:
    answer = world.get(account, "/backups", query={"before": before})
    assert (answer.status, answer.problem) == (400, "malformed-request")
    assert not world.calls


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/"), ("GET", "/backup"), ("DELETE", "/backups"), ("PUT", "/backups"), ("PATCH", "/backups"),
     ("GET", "/backups/01JDA8Z4T0ABCDEFGHJKMNPQRS/download-url"), ("GET", "/openapi.yml")],
)  # fmt: skip
def test_a_path_or_method_that_is_not_there_is_a_404_problem(
    world: ApiWorld, account: str, method: str, path: str
) -> None:
    given = world.api.resolve({**EVENT, "httpMethod": method, "path": path}, None)  # type: ignore[arg-type]
    assert given["statusCode"] == 404
    assert json.loads(given["body"])["type"].endswith(":no-such-route")
    assert not world.calls
    assert untouched(world, account)


EVENT: dict[str, Any] = {"headers": {}, "requestContext": {}, "body": None}


# --- no input makes a 500 ---

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)
wishes = st.fixed_dictionaries(
    {}, optional={"encoding": json_values | st.sampled_from(ENCODING_NAMES), "language": json_values}
)


@examples
@given(body=st.text() | json_values.map(json.dumps) | wishes.map(json.dumps), is_base64=st.booleans())
@example(body='{"a": ' + "9" * 4090 + "}", is_base64=False)
def test_no_body_makes_a_500(world: ApiWorld, account: str, body: str, is_base64: bool) -> None:
    world.begin_anew()
    answer = world.request(account, body, is_base64=is_base64)
    assert answer.status in {202, 400, 409, 422}


@examples
@given(st.binary().map(lambda raw: base64.b64encode(raw).decode()), st.text())
def test_no_bytes_and_no_content_type_make_a_500(
    world: ApiWorld, account: str, body: str, content_type: str
) -> None:
    world.begin_anew()
    for headers in (
        JSON,
        {"Content-Type": content_type},
        {"Content-Type": f"application/json; {content_type}"},
    ):
        answer = world.request(account, body, headers=headers, is_base64=True)
        assert answer.status in {202, 400, 409, 422}


names = st.sampled_from([*claims_of("1"), "client_id", "scope"])


@examples
@given(st.dictionaries(names, st.text() | json_values, max_size=6))
def test_no_claims_make_a_500(world: ApiWorld, account: str, other: dict[str, Any]) -> None:
    world.begin_anew()
    claims = claims_of(account) | other
    assert world.request(account, claims=claims).status in {202, 401, 403, 409}
    assert world.call("GET", "/backups", claims=claims).status in {200, 401, 403}


@examples
@given(st.dictionaries(st.text(), json_values, max_size=4) | st.none())
def test_no_claims_of_other_tokens_get_in(world: ApiWorld, claims: dict[str, Any] | None) -> None:
    world.begin_anew()
    for method, path in [("GET", "/backups"), ("POST", "/backups"), ("GET", "/backups/x"),
                         ("POST", "/backups/x/download-url"), ("DELETE", "/backups/x"),
                         ("PUT", "/settings")]:  # fmt: skip
        assert world.call(method, path, claims=claims, body="{}").status == 401
    assert not world.calls
