"""AWS in the test's own process, and what a function logs."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import pytest
from moto import mock_aws

from shared import leases
from shared.logs import get_logger


@contextmanager
def aws_in_process() -> Iterator[None]:
    """moto, in eu-west-1, without botocore's pauses between its tries."""
    with pytest.MonkeyPatch.context() as environment, patch("time.sleep"):
        environment.setenv("AWS_ACCESS_KEY_ID", "testing")
        environment.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        environment.setenv("AWS_DEFAULT_REGION", "eu-west-1")
        with mock_aws():
            yield


def make_table(dynamodb: Any, name: str) -> None:
    """A table with the keys of the template's two tables, and the index of the backups table."""
    dynamodb.create_table(
        TableName=name,
        KeySchema=[
            {"AttributeName": "pk", "KeyType": "HASH"},
            {"AttributeName": "sk", "KeyType": "RANGE"},
        ],
        GlobalSecondaryIndexes=[
            {
                "IndexName": leases.INDEX,
                "KeySchema": [
                    {"AttributeName": "leased", "KeyType": "HASH"},
                    {"AttributeName": "lease_until", "KeyType": "RANGE"},
                ],
                "Projection": {"ProjectionType": "KEYS_ONLY"},
            }
        ],
        AttributeDefinitions=[
            {"AttributeName": attribute, "AttributeType": "S"}
            for attribute in ("pk", "sk", "leased", "lease_until")
        ],
        BillingMode="PAY_PER_REQUEST",
    )


@contextmanager
def log_of(service: str) -> Iterator[io.StringIO]:
    """What the function of that name logs, as CloudWatch gets it."""
    lines = io.StringIO()
    logger = get_logger(service)
    handler = logging.StreamHandler(lines)
    handler.setFormatter(logger.registered_formatter)
    logger.addHandler(handler)
    try:
        yield lines
    finally:
        logging.getLogger(logger.name).removeHandler(handler)
