"""Who asks: what the verified token says, and nothing else.

API Gateway has verified the signature, the time and the pool. It does not look at which app client the
token was made for, nor at its kind: https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-integrate-with-cognito.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from functions.request_backup.refusals import NoAccount, Unauthorized
from shared.backup import Person
from shared.ids import is_account_id

_LANGUAGE = re.compile(r"[A-Za-z]{2,8}([-_][A-Za-z0-9]{1,8}){0,3}", re.ASCII)
_LONGEST_NAME = 300


@dataclass(frozen=True)
class Caller:
    account_id: str
    person: Person
    groups: frozenset[str]


def identify(claims: Mapping[str, object], *, app_client_id: str) -> Caller:
    """The caller by the claims of an ID token.

    Raises Unauthorized for another client's token or an access token, NoAccount for one without account.
    """
    if claims.get("token_use") != "id" or claims.get("aud") != app_client_id:
        raise Unauthorized("The request needs an ID token that was made for this application.")
    account_id = str(claims.get("custom:account_id", ""))
    if not is_account_id(account_id):
        raise NoAccount("Your user has no account. Ask whoever manages your users.")
    email = str(claims.get("email", ""))
    name = str(claims.get("name") or email or claims.get("cognito:username") or "")
    return Caller(
        account_id=account_id,
        person=Person(
            sub=str(claims.get("sub", "")),
            name=name[:_LONGEST_NAME],
            # Only an address that Cognito has verified gets the link to a copy of the whole account.
            email=email if email and str(claims.get("email_verified")).lower() == "true" else None,
            language=language_of(claims.get("locale")),
        ),
        groups=groups_of(claims.get("cognito:groups")),
    )


def language_of(text: object) -> str:
    """A language tag in the form of RFC 5646 (`nl`, `pt-BR`); anything else is English."""
    return text if isinstance(text, str) and _LANGUAGE.fullmatch(text) else "en"


def groups_of(claim: object) -> frozenset[str]:
    """API Gateway hands a list over as text: `a,b`, or `[a b]`. Group names hold no blanks."""
    if isinstance(claim, list | tuple):
        return frozenset(str(group) for group in claim)
    return frozenset(str(claim or "").removeprefix("[").removesuffix("]").replace(",", " ").split())
