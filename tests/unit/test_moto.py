"""Where moto does otherwise than AWS, or just as AWS, as far as tests here build on it.

Each test asserts what moto does now, and says what AWS does and where that is written. One that fails after
an upgrade says which tests to look at again.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
import requests
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.doubles import aws_in_process, make_table

BUCKET = "archives"
CRC32_OF_SMALL = base64.b64encode(zlib.crc32(b"small").to_bytes(4, "big")).decode()
MACHINE = '{"StartAt": "A", "States": {"A": {"Type": "Pass", "End": true}}}'


@pytest.fixture(autouse=True)
def _aws() -> Iterator[None]:
    with aws_in_process():
        yield


@pytest.fixture
def s3() -> Any:
    client: Any = boto3.client("s3", config=Config(signature_version="s3v4"))
    client.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    client.put_object(Bucket=BUCKET, Key="k", Body=b"small")
    return client


@pytest.fixture
def step_functions() -> Any:
    return boto3.client("stepfunctions")


@pytest.fixture
def machine(step_functions: Any) -> str:
    made = step_functions.create_state_machine(
        name="m", definition=MACHINE, roleArn="arn:aws:iam::123456789012:role/workflow"
    )
    return str(made["stateMachineArn"])


def code_of(refused: pytest.ExceptionInfo[ClientError]) -> str:
    return refused.value.response["Error"]["Code"]


# --- S3 ---


def test_a_link_that_was_altered_or_has_ended_works(s3: Any) -> None:
    """AWS answers 403; links are tried on the local AWS, which does too (tests/e2e/test_links.py).

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-presigned-url.html
    """
    link = s3.generate_presigned_url("get_object", Params={"Bucket": BUCKET, "Key": "k"}, ExpiresIn=60)
    altered, ended = link[:-4] + "0000", link.replace("X-Amz-Date=2", "X-Amz-Date=1")
    assert [requests.get(url, timeout=10).status_code for url in (altered, ended)] == [200, 200]


def test_a_part_under_five_megabytes_is_refused_as_by_aws(s3: Any) -> None:
    """The local AWS takes it (tests/e2e/test_emulators.py), so part sizes are tried here.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html
    """
    place = {"Bucket": BUCKET, "Key": "parts"}
    upload = s3.create_multipart_upload(**place)["UploadId"]
    parts = [
        {
            "PartNumber": number,
            "ETag": s3.upload_part(**place, UploadId=upload, PartNumber=number, Body=b"x")["ETag"],
        }
        for number in (1, 2)
    ]
    with pytest.raises(ClientError) as refused:
        s3.complete_multipart_upload(**place, UploadId=upload, MultipartUpload={"Parts": parts})
    assert code_of(refused) == "EntityTooSmall"


def test_a_range_of_a_small_object_may_be_copied_as_a_part(s3: Any) -> None:
    """AWS copies ranges only of sources over 5 MiB; zip_layout.py keeps to it, as its own tests see.

    https://docs.aws.amazon.com/AmazonS3/latest/API/API_UploadPartCopy.html
    """
    source = {"Bucket": BUCKET, "Key": "k"}
    upload = s3.create_multipart_upload(Bucket=BUCKET, Key="copy")["UploadId"]
    target = {"Bucket": BUCKET, "Key": "copy", "UploadId": upload, "PartNumber": 1}
    copied = s3.upload_part_copy(**target, CopySource=source, CopySourceRange="bytes=0-1")
    assert copied["CopyPartResult"]["ETag"]


def test_a_wrong_checksum_is_taken(s3: Any) -> None:
    """AWS answers BadDigest, as the local AWS does.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html
    """
    s3.put_object(Bucket=BUCKET, Key="wrong", Body=b"abc", ChecksumCRC32="AAAAAA==")
    assert s3.get_object(Bucket=BUCKET, Key="wrong")["Body"].read() == b"abc"


def test_a_wrong_sum_of_the_whole_is_taken_and_the_right_one_is_told(s3: Any) -> None:
    """AWS answers CompleteMultipartUpload with BadDigest, makes a CRC-32 of copied parts too, and tells that
    of an object that was put; so what is asked for is looked at here, and compared in make big.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html
    https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyPartResult.html
    """
    place = {"Bucket": BUCKET, "Key": "whole"}
    begun = s3.create_multipart_upload(**place, ChecksumAlgorithm="CRC32", ChecksumType="FULL_OBJECT")
    assert begun["ChecksumType"] == "FULL_OBJECT"
    part = {**place, "UploadId": begun["UploadId"], "PartNumber": 1}
    copied = s3.upload_part_copy(**part, CopySource={"Bucket": BUCKET, "Key": "k"})["CopyPartResult"]
    assert "ChecksumCRC32" not in copied
    s3.complete_multipart_upload(
        **place,
        UploadId=begun["UploadId"],
        MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": copied["ETag"]}]},
        ChecksumType="FULL_OBJECT",
        ChecksumCRC32="AAAAAA==",
    )
    found = s3.head_object(**place, ChecksumMode="ENABLED")
    assert (found["ChecksumType"], found["ChecksumCRC32"]) == ("FULL_OBJECT", CRC32_OF_SMALL)
    s3.put_object(Bucket=BUCKET, Key="put", Body=b"small", ChecksumCRC32=CRC32_OF_SMALL)
    assert "ChecksumCRC32" not in s3.head_object(Bucket=BUCKET, Key="put", ChecksumMode="ENABLED")


def test_nothing_is_written_over_what_must_not_be_there_as_by_aws(s3: Any) -> None:
    """That a late attempt overwrites no archive is tried here.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
    """
    upload = s3.create_multipart_upload(Bucket=BUCKET, Key="k")["UploadId"]
    part = s3.upload_part(Bucket=BUCKET, Key="k", UploadId=upload, PartNumber=1, Body=b"late")["ETag"]
    parts = {"Parts": [{"PartNumber": 1, "ETag": part}]}
    with pytest.raises(ClientError) as refused:
        s3.complete_multipart_upload(
            Bucket=BUCKET, Key="k", UploadId=upload, MultipartUpload=parts, IfNoneMatch="*"
        )
    assert code_of(refused) == "PreconditionFailed"


# --- DynamoDB ---


def test_a_transaction_that_is_repeated_with_its_token_is_cancelled() -> None:
    """AWS answers with success for ten minutes; the store's `finish` looks at what it finds, which is needed
    after those ten minutes too.

    https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html
    """
    dynamodb: Any = boto3.client("dynamodb")
    make_table(dynamodb, "t")
    put = {
        "TableName": "t",
        "Item": {"pk": {"S": "a"}, "sk": {"S": "b"}},
        "ConditionExpression": "attribute_not_exists(pk)",
    }
    dynamodb.transact_write_items(TransactItems=[{"Put": put}], ClientRequestToken="token")
    with pytest.raises(ClientError) as refused:
        dynamodb.transact_write_items(TransactItems=[{"Put": put}], ClientRequestToken="token")
    assert code_of(refused) == "TransactionCanceledException"


def test_nobody_is_refused_for_want_of_a_permission() -> None:
    """AWS asks IAM; roles are tried on the local AWS (tests/e2e/test_least_privilege.py)."""
    nobody: Any = boto3.client("dynamodb", aws_access_key_id="nobody", aws_secret_access_key="x")
    assert nobody.list_tables()["TableNames"] == []


# --- Step Functions ---


def test_a_start_with_the_name_and_input_of_a_running_execution_is_answered_with_it_as_by_aws(
    step_functions: Any, machine: str
) -> None:
    """The local AWS refuses it (tests/e2e/test_emulators.py); both ways are tried.

    https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartExecution.html
    """
    start = {"stateMachineArn": machine, "name": "one", "input": "{}"}
    first, second = (step_functions.start_execution(**start)["executionArn"] for _ in range(2))
    assert first == second
    with pytest.raises(ClientError) as refused:
        step_functions.start_execution(**start | {"input": '{"a": 1}'})
    assert code_of(refused) == "ExecutionAlreadyExists"


def test_an_execution_name_of_81_characters_is_refused_as_by_aws(step_functions: Any, machine: str) -> None:
    """https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartExecution.html"""
    with pytest.raises(ClientError) as refused:
        step_functions.start_execution(stateMachineArn=machine, name="x" * 81, input="{}")
    assert code_of(refused) == "ValidationException"


def test_an_execution_runs_until_it_is_stopped_and_may_be_stopped_again(
    step_functions: Any, machine: str
) -> None:
    """On AWS this machine ends at once; here nothing is run, which is what tests of a running one build on.

    https://docs.aws.amazon.com/step-functions/latest/apireference/API_DescribeExecution.html
    """
    execution = step_functions.start_execution(stateMachineArn=machine, name="one", input="{}")[
        "executionArn"
    ]
    assert step_functions.describe_execution(executionArn=execution)["status"] == "RUNNING"
    for _ in range(2):
        step_functions.stop_execution(executionArn=execution)
    assert step_functions.describe_execution(executionArn=execution)["status"] == "ABORTED"
