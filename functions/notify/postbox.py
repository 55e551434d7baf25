"""SES, and what its answers mean for the one who wants a mail sent once.

`SendEmail` has no idempotency token, so the difference that counts is between mails that SES surely did
not take and mails that it may have taken.
https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_SendEmail.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    ProxyConnectionError,
)
from botocore.parsers import ResponseParserError

from functions.notify.rendering import Letter

if TYPE_CHECKING:
    from mypy_boto3_sesv2 import SESV2Client
    from mypy_boto3_sesv2.type_defs import SendEmailRequestTypeDef

# `LimitExceeded` and plain `Throttling` are how SES says that the day's quota or the rate is used up.
_THROTTLES = frozenset(
    {"TooManyRequestsException", "LimitExceededException", "Throttling", "ThrottlingException"}
)


class Refused(Exception):
    """SES did not take the mail and will not. Nobody retries. Its text is SES's code for it."""


class NotTaken(Exception):
    """SES surely did not take the mail, this time: throttled, or never reached. `notice` retries."""


class Unanswered(Exception):
    """Nobody knows whether SES took the mail. `notice` retries, once."""


class Postbox:
    """Sends mails from one address. The client must not retry: only `notice` knows what a retry costs."""

    def __init__(self, ses: SESV2Client, *, sender: str) -> None:
        self._ses = ses
        self._sender = sender

    def send(self, letter: Letter, address: str) -> None:
        """Hand the letter to SES. Raises Refused, NotTaken or Unanswered, none with SES's text in it.

        SES's texts name addresses ("Email address is not verified: …").
        """
        request: SendEmailRequestTypeDef = {
            "FromEmailAddress": self._sender,
            "Destination": {"ToAddresses": [address]},
            "Content": {
                "Simple": {
                    "Subject": {"Data": letter.subject, "Charset": "UTF-8"},
                    "Body": {
                        "Text": {"Data": letter.text, "Charset": "UTF-8"},
                        "Html": {"Data": letter.html, "Charset": "UTF-8"},
                    },
                    # RFC 3834: out-of-office programs do not answer.
                    "Headers": [{"Name": "Auto-Submitted", "Value": "auto-generated"}],
                }
            },
        }
        try:
            self._ses.send_email(**request)
        except ClientError as error:
            code = error.response.get("Error", {}).get("Code", "")
            status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
            if code in _THROTTLES or status == 429:
                raise NotTaken(code) from None
            if 400 <= status < 500:
                raise Refused(code) from None
            raise Unanswered(code) from None
        except (ConnectTimeoutError, EndpointConnectionError, ProxyConnectionError) as error:
            raise NotTaken(type(error).__name__) from None  # no connection, so nothing was said on it
        except (BotoCoreError, ResponseParserError) as error:
            raise Unanswered(type(error).__name__) from None
