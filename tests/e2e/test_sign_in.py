"""Signing in: what the user pool's client allows at the hosted page, and how the Backups page uses it."""

from __future__ import annotations

import base64
import hashlib
import json
from urllib.parse import parse_qsl, urlsplit

import pytest
import requests
from playwright.sync_api import expect

from local.people import Person
from tests.e2e.browser import Window, Windows, axe_in_light_and_dark, picture, sign_in
from tests.e2e.world import World

VERIFIER = "a-verifier-of-at-least-forty-three-characters"
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()


def authorization(world: World, **other: str) -> dict[str, str]:
    """What the page asks the hosted page for."""
    return {
        "response_type": "code",
        "client_id": world.outputs["AppClientId"],
        "redirect_uri": world.page_url,
        "scope": "openid email profile",
        "state": "s",
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
    } | other


def authorize(world: World, **other: str) -> requests.Response:
    return requests.get(
        f"{world.sign_in_url}/oauth2/authorize",
        params=authorization(world, **other),
        allow_redirects=False,
        timeout=10,
    )


def code_for(world: World, person: Person) -> str:
    answer = requests.post(
        f"{world.sign_in_url}/login",
        data=authorization(world) | {"username": person.email, "password": person.password},
        allow_redirects=False,
        timeout=10,
    )
    back, _, query = answer.headers["Location"].partition("?")
    assert back == world.page_url
    return dict(parse_qsl(query))["code"]


def exchange(world: World, **grant: str) -> requests.Response:
    return requests.post(
        f"{world.sign_in_url}/oauth2/token",
        data={"client_id": world.outputs["AppClientId"], **grant},
        timeout=10,
    )


# --- the app client of the template ---


def test_the_hosted_page_sends_nobody_to_a_foreign_address(world: World) -> None:
    assert authorize(world).status_code == 200
    for foreign in ("https://evil.example/", world.page_url + "x", world.page_url.rstrip("/")):
        answer = authorize(world, redirect_uri=foreign)
        assert (answer.status_code, answer.headers.get("Location")) == (400, None)
    left = requests.get(
        f"{world.sign_in_url}/logout",
        params={"client_id": world.outputs["AppClientId"], "logout_uri": "https://evil.example/"},
        allow_redirects=False,
        timeout=10,
    )
    assert (left.status_code, left.headers.get("Location")) == (400, None)


def test_only_the_code_flow_is_offered(world: World) -> None:
    client = world.client("cognito-idp").describe_user_pool_client(
        UserPoolId=world.outputs["UserPoolId"], ClientId=world.outputs["AppClientId"]
    )["UserPoolClient"]
    assert client["AllowedOAuthFlows"] == ["code"]  # the hosted page here knows no other flow anyway
    assert "ClientSecret" not in client
    for flow in ("token", "id_token", "token id_token"):
        assert authorize(world, response_type=flow).status_code == 400


def test_no_scope_lets_the_page_change_its_user(world: World) -> None:
    answer = authorize(world, scope="openid aws.cognito.signin.user.admin")
    assert "error=" in answer.headers["Location"]


def test_a_code_is_good_once_and_only_for_who_asked_for_it(world: World) -> None:
    code = code_for(world, world.person(world.account().id))
    grant = {"grant_type": "authorization_code", "code": code, "redirect_uri": world.page_url}
    for verifier in ({}, {"code_verifier": VERIFIER[::-1]}):
        assert exchange(world, **grant, **verifier).json()["error"] == "invalid_grant"
    assert exchange(world, **grant, code_verifier=VERIFIER).status_code == 200
    assert exchange(world, **grant, code_verifier=VERIFIER).json()["error"] == "invalid_grant"


def test_the_api_takes_the_id_token_of_the_hosted_page_and_of_its_renewal(world: World) -> None:
    code = code_for(world, world.person(world.account().id))
    first = exchange(
        world,
        grant_type="authorization_code",
        code=code,
        redirect_uri=world.page_url,
        code_verifier=VERIFIER,
    ).json()
    second = exchange(world, grant_type="refresh_token", refresh_token=first["refresh_token"]).json()
    assert world.call("GET", "/backups", first["id_token"]).json()["may_request"] is True
    assert world.call("GET", "/backups", second["id_token"]).status_code == 200
    assert world.call("GET", "/backups", first["access_token"]).status_code == 401


# --- the page ---


def tokens_of(window: Window) -> list[str]:
    """All that the token endpoint gave this window."""
    answers = [
        request.response() for request in window.requests if urlsplit(request.url).path == "/oauth2/token"
    ]
    assert answers
    given = [answer.json() for answer in answers if answer]
    return [answer[kind] for answer in given for kind in ("id_token", "access_token", "refresh_token")]


def test_whoever_is_not_signed_in_meets_the_sign_in_page_and_then_the_backups(
    world: World, windows: Windows
) -> None:
    window = windows.signed_in(world.person(world.account().id), world.page_url)
    assert window.page.url == world.page_url
    expect(window.page.get_by_role("heading", name="Backups", exact=True)).to_be_visible()
    expect(window.page.get_by_role("button", name="Request new backup")).to_be_visible()
    expect(window.page.get_by_text("Ann Other")).to_be_visible()


def test_a_link_to_one_backup_leads_through_the_sign_in_to_that_backup(
    world: World, windows: Windows
) -> None:
    address = f"{world.page_url}?backup=01JUNKNOWN"
    not_found = "status of 404 (Not Found) (" + world.page_url + "backups/01JUNKNOWN)"
    page = windows.signed_in(world.person(world.account().id), address, expected=[not_found]).page
    assert page.url == address
    expect(page.get_by_text("01JUNKNOWN")).to_be_visible()


def test_tokens_are_kept_nowhere_but_in_memory(world: World, windows: Windows) -> None:
    window = windows.signed_in(world.person(world.account().id), world.page_url)
    page = window.page
    tokens = tokens_of(window)
    assert len(tokens) == 3
    history = window.context.new_cdp_session(page).send("Page.getNavigationHistory")
    kept = json.dumps(
        [
            window.context.storage_state(indexed_db=True),
            page.evaluate("Object.entries(sessionStorage)"),
            page.evaluate("caches.keys()"),
            history,
            [request.url for request in window.requests],
            page.content(),
            page.evaluate("window.name"),
        ]
    )
    assert not [token for token in tokens if token in kept]
    assert page.evaluate("localStorage.length + sessionStorage.length") == 0
    assert window.context.cookies() == []
    # Going back asks no used code again.
    assert not [entry["url"] for entry in history["entries"] if "code=" in entry["url"]]


def test_a_reload_asks_the_hosted_page_again(world: World, windows: Windows) -> None:
    person = world.person(world.account().id)
    page = windows.signed_in(person, world.page_url).page
    page.reload()
    sign_in(page, person)
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()


def test_signing_out_ends_at_the_sign_in_page(world: World, windows: Windows) -> None:
    window = windows.signed_in(world.person(world.account().id), world.page_url)
    window.page.get_by_role("button", name="Sign out").click()
    window.page.wait_for_url("**/oauth2/authorize?**")
    assert f"{world.sign_in_url}/logout" in {request.url.partition("?")[0] for request in window.requests}


@pytest.mark.parametrize("answer", ["code=stolen&state=foreign", "error=access_denied&state=foreign"])
def test_an_answer_to_a_sign_in_that_nobody_began_is_not_taken(
    world: World, windows: Windows, answer: str
) -> None:
    window = windows.open()
    window.page.goto(f"{world.page_url}?{answer}")
    expect(window.page.get_by_role("button", name="Sign in")).to_be_visible()
    assert window.page.url == world.page_url
    assert not [request for request in window.requests if "/oauth2/" in request.url]
    window.page.get_by_role("button", name="Sign in").click()
    sign_in(window.page, world.person(world.account().id))
    expect(window.page.get_by_role("button", name="Sign out")).to_be_visible()


def test_the_page_speaks_to_its_own_service_and_the_sign_in_only(world: World, windows: Windows) -> None:
    window = windows.signed_in(world.person(world.account().id), world.page_url)
    assert window.asked == {world.aws.endpoint, world.sign_in_url}
    expect(window.page.get_by_role("button", name="Request new backup")).to_be_visible()
    picture(window.page, "signed-in")
    axe_in_light_and_dark(window.page)
