"""Bad input that only the whole stack can be given: a token past its end, and names that mean harm."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

import requests
from lxml import html  # type: ignore[import-untyped]

from local.people import sign_in
from tests.e2e.world import World, eventually

HARMFUL = "{{7*7}}../CON\r\nBcc: e@x.example\r\n\"';<img src=x onerror=alert(1)>{x.__class__}\u202e\U0001f600"


def test_a_token_past_its_end_is_refused_before_any_function_runs(world: World) -> None:
    account = world.account()
    cognito = world.client("cognito-idp")
    client = cognito.create_user_pool_client(
        UserPoolId=world.outputs["UserPoolId"],
        ClientName="of a moment",
        ExplicitAuthFlows=["ALLOW_ADMIN_USER_PASSWORD_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"],
        # AWS's shortest is five minutes.
        IdTokenValidity=1,
        TokenValidityUnits={"IdToken": "seconds"},
    )["UserPoolClient"]["ClientId"]
    token = sign_in(cognito, {**world.outputs, "AppClientId": client}, world.person(account.id))

    def refused_by_the_gateway() -> bool:
        answer = world.call("GET", "/backups", token)
        assert answer.status_code == 401
        # Until its end the function refuses it, as another client's.
        return "tag:" not in answer.text

    assert eventually(refused_by_the_gateway, "the token to end")


def test_harmful_names_of_account_and_person_reach_file_header_and_mail_as_text(world: World) -> None:
    name = HARMFUL + "x" * 300
    account = world.account(name=name)
    world.fill(account)
    token = world.token(account.id, name=name[:250])
    shown = world.ended(token, world.ask(token))
    assert (shown["state"], shown["mail"]) == ("ready", "sent")
    assert re.fullmatch(rf"{account.id}_[0-9_]+\.zip", shown["file"]["name"])
    (mail,) = world.mails_about(shown["file"]["name"])
    assert not re.search(r"[\r\n]", mail.subject)
    assert len(mail.to) == 1
    page = html.fromstring(mail.html)
    assert not list(page.iter("img", "script"))
    assert "{{7*7}}" in page.text_content()
    link = world.call("POST", f"/backups/{shown['id']}/download-url", token).json()["url"]
    assert urlsplit(link).path.endswith("/" + shown["file"]["name"])
    download = requests.get(link, timeout=30)
    assert download.headers["Content-Disposition"] == f'attachment; filename="{shown["file"]["name"]}"'
    assert "Bcc" not in download.headers
