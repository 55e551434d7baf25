"""People who can sign in: users of the stack's Cognito user pool."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Person:
    """A user to be made. `account_id` None leaves the claim out, `group` None leaves the user in none."""

    email: str
    name: str
    account_id: str | None
    group: str | None = "account-admins"
    locale: str = "en"
    email_verified: bool = True
    password: str = field(default_factory=lambda: f"Aa1!{secrets.token_urlsafe(12)}", repr=False)


def add(cognito: Any, outputs: Mapping[str, str], person: Person) -> str:
    """Makes the user, with a password that need not be changed; returns the username."""
    pool = outputs["UserPoolId"]
    attributes = {
        "email": person.email,
        "email_verified": str(person.email_verified).lower(),
        "name": person.name,
        "locale": person.locale,
        **({"custom:account_id": person.account_id} if person.account_id else {}),
    }
    created = cognito.admin_create_user(
        UserPoolId=pool,
        Username=person.email,
        UserAttributes=[{"Name": name, "Value": value} for name, value in attributes.items()],
        MessageAction="SUPPRESS",
    )
    username = str(created["User"]["Username"])
    cognito.admin_set_user_password(
        UserPoolId=pool, Username=username, Password=person.password, Permanent=True
    )
    if person.group:
        with contextlib.suppress(cognito.exceptions.GroupExistsException):
            cognito.create_group(UserPoolId=pool, GroupName=person.group)
        cognito.admin_add_user_to_group(UserPoolId=pool, Username=username, GroupName=person.group)
    return username


def remove(cognito: Any, outputs: Mapping[str, str], person: Person) -> None:
    """Deletes the user; one that is not there, too."""
    with contextlib.suppress(cognito.exceptions.UserNotFoundException):
        cognito.admin_delete_user(UserPoolId=outputs["UserPoolId"], Username=person.email)


def sign_in(cognito: Any, outputs: Mapping[str, str], person: Person) -> str:
    """The ID token of a user, which the API takes in the Authorization header."""
    answer = cognito.admin_initiate_auth(
        UserPoolId=outputs["UserPoolId"],
        ClientId=outputs["AppClientId"],
        AuthFlow="ADMIN_USER_PASSWORD_AUTH",
        AuthParameters={"USERNAME": person.email, "PASSWORD": person.password},
    )
    return str(answer["AuthenticationResult"]["IdToken"])
