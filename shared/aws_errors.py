"""Which of botocore's errors may pass by themselves."""

from __future__ import annotations

from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as NoConnection

# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html
# https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
_PASSING = frozenset(
    {
        "BandwidthLimitExceeded",
        "InternalError",
        "InternalServerError",
        "LimitExceededException",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestTimeout",
        "ServiceUnavailable",
        "SlowDown",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
        "TransactionConflictException",
        "TransactionInProgressException",
    }
)


def may_pass(error: ClientError | BotoCoreError) -> bool:
    """True for throttling, faults on AWS's side and lost connections: the same call may succeed later.

    botocore has by then retried by itself.
    """
    if isinstance(error, ClientError):
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        if status >= 500 or status == 429:
            return True
        reasons = {reason.get("Code") for reason in error.response.get("CancellationReasons", [])}
        if reasons & {"ThrottlingError", "ProvisionedThroughputExceeded", "TransactionConflict"}:
            return True
        return error.response.get("Error", {}).get("Code") in _PASSING
    return isinstance(error, NoConnection | HTTPClientError)
