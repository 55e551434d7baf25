"""What the local AWS is told after a deployment, so that what was deployed works here."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.stub import Stubber

from local import aws, gaps

LOCAL = aws.LocalAws(4711, aws.STATE / "x.log", 1)
API = "https://e8a4050a.execute-api.eu-west-1.amazonaws.com/v1/"
PAGE = "http://127.0.0.1:4711/_aws/execute-api/e8a4050a/v1/"
SIGN_IN = "https://account-backup-1.auth.eu-west-1.amazoncognito.com"
OWN = "https://app.example.com/settings/backups"
POOL, CLIENT = "eu-west-1_AbCdEfGhI", "client1"


@pytest.mark.parametrize(
    ("address", "local"),
    [
        (API, PAGE),
        (SIGN_IN, "http://localhost:4711"),
        (f"{SIGN_IN}/oauth2/token", "http://localhost:4711/oauth2/token"),
    ],
)
def test_addresses_of_apis_and_sign_ins_have_a_local_one(address: str, local: str) -> None:
    assert gaps.local_address(LOCAL, address) == local


@pytest.mark.parametrize(
    "address",
    [OWN, f"{OWN}?x={API}", "https://example.com/.auth.eu-west-1.amazoncognito.com", "none", ""],
)
def test_any_other_text_stays_what_it_is(address: str) -> None:
    assert gaps.local_address(LOCAL, address) == address


def test_the_app_client_keeps_all_it_had_but_the_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    kept: dict[str, Any] = {
        "UserPoolId": POOL,
        "ClientId": CLIENT,
        "ClientName": "page",
        "RefreshTokenValidity": 12,
        "TokenValidityUnits": {"RefreshToken": "hours"},
        "WriteAttributes": ["email"],
        "ExplicitAuthFlows": ["ALLOW_USER_SRP_AUTH"],
        "AllowedOAuthFlows": ["code"],
        "AllowedOAuthScopes": ["openid"],
        "AllowedOAuthFlowsUserPoolClient": True,
        "PreventUserExistenceErrors": "ENABLED",
        "EnableTokenRevocation": False,
    }
    moment = datetime(2026, 11, 23, tzinfo=UTC)
    described = kept | {
        "CallbackURLs": [API, OWN],
        "LogoutURLs": [API],
        "CreationDate": moment,
        "LastModifiedDate": moment,
    }
    cognito = LOCAL.client("cognito-idp")
    monkeypatch.setattr(aws.LocalAws, "client", lambda *_: cognito)
    with Stubber(cognito) as calls:
        calls.add_response("describe_user_pool_client", {"UserPoolClient": described})
        calls.add_response(
            "update_user_pool_client",
            {"UserPoolClient": {}},
            kept | {"CallbackURLs": [PAGE, OWN], "LogoutURLs": [PAGE]},
        )
        gaps._correct_app_clients(
            LOCAL,
            [
                {"ResourceType": "AWS::Cognito::UserPool", "PhysicalResourceId": POOL},
                {"ResourceType": "AWS::Cognito::UserPoolClient", "PhysicalResourceId": CLIENT},
            ],
        )
        calls.assert_no_pending_responses()
