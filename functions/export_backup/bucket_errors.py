"""What the bucket's refusals mean for the one who waits for the backup: try again, or give up."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import BotoCoreError, ClientError, FlexibleChecksumError, IncompleteReadError

from shared.aws_errors import may_pass

# What a fresh upload cures: somebody aborted ours, another conditional write was under way, the role's
# session ended, bytes came to S3 that have not the checksum which they left with.
# https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
_CURED_BY_A_FRESH_UPLOAD = frozenset(
    {"NoSuchUpload", "ConditionalRequestConflict", "OperationAborted", "ExpiredToken", "BadDigest"}
)


class BucketUnavailable(Exception):
    """S3 throttled, failed or was not reached, after botocore's own retries.

    Step Functions retries it with back-off: the whole step, which begins a fresh upload.
    """


class BucketRefused(Exception):
    """S3 said no for good: access denied, no such bucket, a request that it finds invalid.

    Nobody retries it: the backup fails and an operator has to look.
    """


def error_code(error: BaseException) -> str:
    """S3's error code ("SlowDown"), or the name of the exception where S3 did not answer."""
    if isinstance(error, ClientError):
        return str(error.response.get("Error", {}).get("Code", "")) or "Unknown"
    return type(error).__name__


def is_passing(error: BaseException) -> bool:
    """Whether the same request may well succeed later."""
    if isinstance(error, ClientError | BotoCoreError) and may_pass(error):
        return True
    damaged_on_its_way = isinstance(error, IncompleteReadError | FlexibleChecksumError | OSError)
    return damaged_on_its_way or error_code(error) in _CURED_BY_A_FRESH_UPLOAD


def translated(error: BaseException, action: str) -> BucketUnavailable | BucketRefused:
    """The outcome for `error`, which S3 or the way to it gave to `action` ("copying part 3").

    Only the code goes into the message: S3's own text and botocore's may name the endpoint and request.
    """
    outcome = BucketUnavailable if is_passing(error) else BucketRefused
    return outcome(f"{action}: {error_code(error)}")


@contextmanager
def translating(action: str) -> Iterator[None]:
    """Turn botocore's and smart_open's errors inside the block into this module's outcomes."""
    try:
        yield
    except (BotoCoreError, ClientError, OSError) as error:
        raise translated(error, action) from error
    except ValueError as error:
        # smart_open wraps what S3 said to CreateMultipartUpload and PutObject in a ValueError.
        if not isinstance(error.__cause__, ClientError):
            raise
        raise translated(error.__cause__, action) from error.__cause__
