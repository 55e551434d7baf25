"""The page's files over HTTP: what they say of themselves, in which language, and what is no file."""

from __future__ import annotations

import hashlib
import json
import re
from html.parser import HTMLParser

import pytest

from functions.request_backup.site import DIRECTORY, PARTS
from shared.audit import Event, Way
from tests.unit.request_backup.api_world import (
    CLIENT,
    OWN_PAGE,
    SIGN_IN,
    Answer,
    ApiWorld,
    proxy_event,
)

FILES = sorted(path.name for path in DIRECTORY.iterdir() if path.suffix != ".html")
LIT_HTML = "b878e7f95dec8a9b6e9b217faca6b6a11bad82ebc44c0caa77419ed83edd81f2"


def get(world: ApiWorld, path: str, *, language: str = "", **event: object) -> Answer:
    headers = {"Accept-Language": language} if language else {}
    return world.call("GET", path, claims=None, headers=headers | event.pop("headers", {}), **event)  # type: ignore[operator]


def directives(answer: Answer) -> dict[str, str]:
    policy = answer.headers["Content-Security-Policy"]
    return {name: sources for name, _, sources in (part.partition(" ") for part in policy.split("; "))}


def test_the_page_may_do_no_more_than_it_must(world: ApiWorld) -> None:
    answer = get(world, "/")
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert directives(answer) == {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": "'self'",
        "connect-src": f"'self' {SIGN_IN}",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
        "require-trusted-types-for": "'script'",
        "trusted-types": "lit-html",
    }
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_the_page_has_no_script_or_style_in_itself(world: ApiWorld) -> None:
    inside: list[str] = []

    class Tags(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            names = {name for name, _ in attrs}
            inside.extend(name for name in names if name.startswith("on") or name == "style")
            if tag == "style" or (tag == "script" and "src" not in names):
                inside.append(tag)
            for name, value in attrs:
                if name in ("src", "href"):
                    assert value is not None
                    assert (DIRECTORY.parent / value).is_file()

    Tags().feed(get(world, "/").text)
    assert inside == []


def test_the_page_is_told_where_to_sign_in(world: ApiWorld) -> None:
    text = get(world, "/").text
    assert f'<meta name="sign-in" content="{SIGN_IN}">' in text
    assert f'<meta name="client-id" content="{CLIENT}">' in text


def test_without_a_hosted_sign_in_the_policy_names_no_host(world: ApiWorld) -> None:
    event = proxy_event("GET", "/", claims=None)
    event["stageVariables"]["signIn"] = "none"
    given = world.api.resolve(event, None)  # type: ignore[arg-type]
    (policy,) = given["multiValueHeaders"]["Content-Security-Policy"]
    assert "connect-src 'self';" in policy


def test_the_address_without_its_slash_leads_to_the_one_with_it(world: ApiWorld) -> None:
    event = proxy_event("GET", "/", claims=None, query={"backup": "01J <x>"})
    event["requestContext"]["path"] = "/v1"
    given = world.api.resolve(event, None)  # type: ignore[arg-type]
    assert given["statusCode"] == 308
    assert given["multiValueHeaders"]["Location"] == ["v1/?backup=01J+%3Cx%3E"]


@pytest.mark.parametrize(
    ("header", "spoken"),
    [
        ("", "en"),
        ("nl", "nl"),
        ("de-AT,de;q=0.9,en;q=0.8", "de"),
        ("tlh, fr;q=0.5, es;q=0.7", "es"),
        ("nl;q=0, es", "es"),
        ("*", "en"),
        ("../../etc/passwd", "en"),
        ("nl;q=x", "nl"),
        ("x" * 10_000, "en"),
    ],
)
def test_the_page_speaks_what_the_browser_wants_most(world: ApiWorld, header: str, spoken: str) -> None:
    answer = get(world, "/", language=header)
    assert answer.headers["Content-Language"] == spoken
    assert f'<html lang="{spoken}">' in answer.text


@pytest.mark.parametrize(
    ("locale", "browser", "spoken", "forms"),
    [
        ("nl", "de", "nl", "nl"),
        ("nl_BE", "", "nl", "nl-BE"),
        ("en", "", "en", "en-GB"),
        ("en-US", "", "en", "en-US"),
        ("zh-Hant-TW", "fr", "fr", "fr"),
        (None, "de-CH", "de", "de-CH"),
        ("en-US'-x", "", "en", "en-US"),
        ("<script>", "", "en", "en-GB"),
        ("de-aa-bb-" + "c" * 9_000, "", "de", "de-AA"),
    ],
)
def test_words_are_in_the_user_s_language_before_the_browser_s(
    world: ApiWorld, locale: str | None, browser: str, spoken: str, forms: str
) -> None:
    query = {"locale": locale} if locale is not None else None
    answer = get(world, "/page/words.json", language=browser, query=query)
    assert (answer.body["language"], answer.body["locale"]) == (spoken, forms)
    assert answer.body["title"]
    assert set(answer.body["reasons"]) >= {"internal", "source_refused"}
    assert "mail" not in answer.body
    assert not re.search(r"\s{2}|\n", json.dumps(answer.body, ensure_ascii=False))


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_there_and_is_not_sent_twice(world: ApiWorld, name: str) -> None:
    first = get(world, f"/page/{name}")
    assert first.status == 200
    assert first.text == (DIRECTORY / name).read_text()
    assert first.headers["Content-Type"].partition(";")[0] in {"text/javascript", "text/css", "image/svg+xml"}
    assert first.headers["Access-Control-Allow-Origin"] == "*"
    assert first.headers["Cache-Control"] == "no-cache"
    again = get(world, f"/page/{name}", headers={"If-None-Match": f'"x", {first.headers["ETag"]}'})
    assert (again.status, again.text) == (304, "")
    other = get(world, f"/page/{name}", headers={"If-None-Match": '"x"'})
    assert other.status == 200


@pytest.mark.parametrize(
    "name",
    [
        "index.html",
        "none.js",
        "..",
        "%2e%2e",
        "../site.py",
        "..%2Fsite.py",
        "",
        "words",
        "trail",
        "mail.json",
        "page.json",
        "x" * 10_000,
    ],
)
def test_what_is_no_file_of_the_page_is_not_served(world: ApiWorld, name: str) -> None:
    answer = get(world, f"/page/{name}")
    assert (answer.status, answer.problem) == (404, "no-such-route")


@pytest.mark.parametrize("part", sorted(PARTS))
def test_a_part_is_a_script_with_words_of_its_own_in_the_reader_s_language(
    world: ApiWorld, part: str
) -> None:
    english, dutch = (get(world, f"/page/{part}.json", query={"locale": tag}) for tag in ("en", "nl-BE"))
    assert set(english.body) == set(dutch.body) == {part}
    assert english.body[part].keys() == dutch.body[part].keys()
    assert (dutch.headers["Content-Language"], dutch.headers["Vary"]) == ("nl", "Accept-Language")
    assert get(world, f"/page/{part}.js").status == 200
    # Nothing of it comes along before it is wanted.
    assert part not in get(world, "/page/words.json").body
    loaded = [line for line in (DIRECTORY / "account-backups.js").read_text().splitlines() if part in line]
    assert any(f'#part("{part}")' in line for line in loaded)
    assert not [line for line in loaded if line.startswith("import ")]


def test_the_trail_has_a_sentence_for_all_that_the_api_enters(world: ApiWorld) -> None:
    words = get(world, "/page/trail.json").body["trail"]
    events = {event.value for event in Event if event is not Event.LINK_MADE}
    assert words.keys() >= events | {f"link_{way.value}" for way in Way}


def test_every_import_of_a_script_is_a_file_here() -> None:
    for script in DIRECTORY.glob("*.js"):
        for name in re.findall(r'from "\./([^"]+)"|import "\./([^"]+)"', script.read_text()):
            assert (DIRECTORY / (name[0] or name[1])).is_file(), script.name


def test_lit_html_is_the_release_that_pyproject_names() -> None:
    assert hashlib.sha256((DIRECTORY / "lit-html.js").read_bytes()).hexdigest() == LIT_HTML
    pyproject = (DIRECTORY.parents[2] / "pyproject.toml").read_text()
    assert LIT_HTML in pyproject


def test_every_word_that_the_scripts_say_is_there(world: ApiWorld) -> None:
    words = get(world, "/page/words.json").body
    for part in PARTS:
        words |= get(world, f"/page/{part}.json").body
    for script in DIRECTORY.glob("*.js"):
        for key in re.findall(r'forms\.(?:say|many)\("([\w.]+)"', script.read_text()):
            found: object = words
            for step in key.split("."):
                found = found.get(step) if isinstance(found, dict) else None
            assert found, f"{script.name} says {key}"


def answered(world: ApiWorld, method: str, path: str, origin: str) -> tuple[int, dict[str, list[str]]]:
    event = proxy_event(method, path, claims=None, headers={"Origin": origin})
    given = world.api.resolve(event, None)  # type: ignore[arg-type]
    return given["statusCode"], given["multiValueHeaders"]


@pytest.mark.parametrize("path", ["/backups", "/backups/01JDA8Z4T0ABCDEFGHJKMNPQRS", "/settings"])
def test_a_page_of_the_operator_s_own_origin_may_call(world: ApiWorld, path: str) -> None:
    status, headers = answered(world, "OPTIONS", path, OWN_PAGE)
    assert status == 204
    assert headers["Access-Control-Allow-Origin"] == [OWN_PAGE]
    assert {"DELETE", "GET", "POST", "PUT"} <= set(headers["Access-Control-Allow-Methods"][0].split(","))
    assert {"Authorization", "Content-Type"} <= set(headers["Access-Control-Allow-Headers"][0].split(","))
    _, headers = answered(world, "GET", path, OWN_PAGE)
    assert headers["Access-Control-Allow-Origin"] == [OWN_PAGE]


@pytest.mark.parametrize("origin", ["https://elsewhere.example.com", f"{OWN_PAGE}.evil.example", "null", ""])
def test_a_page_of_any_other_origin_may_not(world: ApiWorld, origin: str) -> None:
    for method in ("OPTIONS", "GET"):
        _, headers = answered(world, method, "/backups", origin)
        assert "Access-Control-Allow-Origin" not in headers
