"""Bucket and tables of the stack: closed, encrypted, kept and collected as promised."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from shared import leases
from tests.unit.infra.stack import (
    ROOT,
    functions,
    listed,
    of_type,
    statements,
    translated,
    workflow,
)

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def bucket() -> dict[str, Any]:
    (found,) = of_type(translated(), "AWS::S3::Bucket").values()
    properties: dict[str, Any] = found["Properties"]
    return properties


def test_the_bucket_is_closed_to_the_public_and_encrypted() -> None:
    assert bucket()["PublicAccessBlockConfiguration"] == {
        "BlockPublicAcls": True,
        "BlockPublicPolicy": True,
        "IgnorePublicAcls": True,
        "RestrictPublicBuckets": True,
    }
    assert bucket()["OwnershipControls"] == {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    (encryption,) = bucket()["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    ways = [way["ServerSideEncryptionByDefault"]["SSEAlgorithm"] for way in encryption["Fn::If"][1:]]
    assert ways == ["aws:kms", "AES256"]


def test_staging_goes_after_two_days_archives_after_the_retention_and_open_uploads_after_a_day() -> None:
    rules = bucket()["LifecycleConfiguration"]["Rules"]
    assert {rule["Status"] for rule in rules} == {"Enabled"}
    expire = {rule["Prefix"]: rule["ExpirationInDays"] for rule in rules if "ExpirationInDays" in rule}
    assert expire == {"staging/": 2, "backups/": {"Ref": "RetentionDays"}}
    (abort,) = [rule for rule in rules if "AbortIncompleteMultipartUpload" in rule]
    assert abort["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 1}
    assert "Prefix" not in abort


def test_what_units_left_outlives_the_workflow_that_wants_it() -> None:
    """S3 counts from an object's creation to the midnight after the days that the rule says."""
    (days,) = [
        rule["ExpirationInDays"]
        for rule in bucket()["LifecycleConfiguration"]["Rules"]
        if rule.get("Prefix") == "staging/"
    ]
    assert workflow()["TimeoutSeconds"] <= days * 24 * 60 * 60


def test_the_record_promises_as_many_days_as_the_bucket_keeps() -> None:
    variables = functions()["ExportBackupFunction"]["Environment"]["Variables"]
    assert variables["RETENTION_DAYS"] == {"Ref": "RetentionDays"}


@pytest.mark.parametrize(
    ("sid", "condition"),
    [
        (
            "OnlyTls",
            {"Bool": {"aws:SecureTransport": "false"}, "NotIpAddress": {"aws:SourceIp": "127.0.0.0/8"}},
        ),
        ("NoSigV2", {"StringEquals": {"s3:signatureversion": "AWS"}}),
    ],
)
def test_the_bucket_denies_everyone_plain_http_and_the_old_signature(
    sid: str, condition: dict[str, Any]
) -> None:
    (policy,) = of_type(translated(), "AWS::S3::BucketPolicy").values()
    assert policy["Properties"]["Bucket"] == {"Ref": "ArchiveBucket"}
    (statement,) = [one for one in policy["Properties"]["PolicyDocument"]["Statement"] if one["Sid"] == sid]
    assert (statement["Effect"], statement["Principal"], statement["Action"]) == ("Deny", "*", "s3:*")
    assert statement["Condition"] == condition
    assert statement["Resource"] == [
        {"Fn::GetAtt": ["ArchiveBucket", "Arn"]},
        {"Fn::Sub": "${ArchiveBucket.Arn}/*"},
    ]


def test_tables_can_be_restored_to_any_moment_and_are_encrypted() -> None:
    tables = of_type(translated(), "AWS::DynamoDB::Table")
    assert sorted(tables) == ["AuditTable", "BackupsTable", "SourceTable"]
    for name, table in tables.items():
        properties = table["Properties"]
        assert properties["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}, name
        assert properties["SSESpecification"] == {"SSEEnabled": True}, name
        assert {key["KeyType"]: key["AttributeName"] for key in properties["KeySchema"]} == {
            "HASH": "pk",
            "RANGE": "sk",
        }


@pytest.mark.parametrize(("table", "module"), [("BackupsTable", "store"), ("AuditTable", "trail")])
def test_what_is_old_is_collected_by_the_attribute_that_the_code_writes(table: str, module: str) -> None:
    ttl = translated()["Resources"][table]["Properties"]["TimeToLiveSpecification"]
    assert ttl == {"AttributeName": "ttl", "Enabled": True}
    assert '"ttl"' in (ROOT / "shared" / f"{module}.py").read_text()


def test_entries_of_the_trail_are_put_and_read_and_nobody_may_change_or_delete_one() -> None:
    trail = {"Fn::GetAtt": ["AuditTable", "Arn"]}
    allowed = {
        (role, action)
        for role, statement in statements()
        for action in listed(statement["Action"])
        if trail in listed(statement["Resource"])
    }
    writers = {function["Role"]["Fn::GetAtt"][0] for function in functions().values()}
    assert allowed == {(role, "dynamodb:PutItem") for role in writers} | {
        ("RequestBackupRole", "dynamodb:Query")
    }


def test_downloads_are_logged_where_the_operator_names_a_bucket_for_it_and_only_there() -> None:
    _, without, logged = bucket()["LoggingConfiguration"]["Fn::If"]
    assert bucket()["LoggingConfiguration"]["Fn::If"][0] == "NoDownloadLog"
    assert without == {"Ref": "AWS::NoValue"}
    assert logged["DestinationBucketName"] == {"Ref": "DownloadLogBucket"}
    assert translated()["Conditions"]["NoDownloadLog"] == {"Fn::Equals": [{"Ref": "DownloadLogBucket"}, ""]}


def test_the_sweeper_finds_by_the_index_that_the_store_writes_and_the_unit_tests_have() -> None:
    (index,) = translated()["Resources"]["BackupsTable"]["Properties"]["GlobalSecondaryIndexes"]
    assert index["IndexName"] == leases.INDEX
    assert {key["KeyType"]: key["AttributeName"] for key in index["KeySchema"]} == {
        "HASH": "leased",
        "RANGE": "lease_until",
    }
    assert set(leases.lease(leases.RUNNING, datetime.now(UTC))) == {"leased", "lease_until"}
    assert index["Projection"] == {"ProjectionType": "KEYS_ONLY"}
    (find,) = [one for _, one in statements() if one["Sid"] == "FindSilentBackups"]
    assert find["Resource"] == {"Fn::Sub": "${BackupsTable.Arn}/index/" + leases.INDEX}


def test_the_operators_data_is_never_collected() -> None:
    assert "TimeToLiveSpecification" not in translated()["Resources"]["SourceTable"]["Properties"]


@pytest.mark.parametrize("name", ["BackupsTable", "AuditTable", "SourceTable", "ArchiveBucket", "UserPool"])
def test_what_holds_data_outlives_the_stack(name: str) -> None:
    resource = translated()["Resources"][name]
    assert resource["DeletionPolicy"] == resource["UpdateReplacePolicy"] == "Retain"
