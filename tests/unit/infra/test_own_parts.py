"""What an operator may bring: a key for the archives, a domain for the API. Without them it is not there."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import pytest

from tests.unit.infra.stack import listed, of_type, resolved, translated, written

KEY = "arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
NAMES = {
    "KmsKeyArn": KEY,
    "ApiDomain": "backups.example.com",
    "ApiCertificateArn": "arn:aws:acm:eu-west-1:123456789012:certificate/1",
    "Api": "a1b2c3",
    "AWS::Region": "eu-west-1",
    "AWS::URLSuffix": "amazonaws.com",
    "ExportBackupRole": "export-role",
    "DownloadRole": "download-role",
    "TabUrl": "https://app.example.com/backups",
}
EITHER = pytest.mark.parametrize("own", [True, False])


def of(name: str, *path: str) -> Any:
    found: Any = translated()["Resources"][name]["Properties"]
    for step in path:
        found = found[step]
    return found


@EITHER
def test_archives_are_encrypted_with_the_operator_s_key_or_with_s3_s(own: bool) -> None:
    (rule,) = resolved(
        of("ArchiveBucket", "BucketEncryption", "ServerSideEncryptionConfiguration"), NAMES, {"OwnKey": own}
    )
    default = rule["ServerSideEncryptionByDefault"]
    assert default == (
        {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": KEY} if own else {"SSEAlgorithm": "AES256"}
    )


def test_those_who_write_archives_or_hand_them_out_may_use_the_key_and_nobody_else() -> None:
    given = {}
    for policy in of_type(translated(), "AWS::IAM::Policy").values():
        properties = resolved(policy["Properties"], defaultdict(str, NAMES))
        (statement,) = properties["PolicyDocument"]["Statement"]
        if statement["Resource"] == KEY:
            assert policy["Condition"] == "OwnKey"
            (role,) = properties["Roles"]
            given[role] = listed(statement["Action"])
    assert given == {"export-role": ["kms:GenerateDataKey", "kms:Decrypt"], "download-role": ["kms:Decrypt"]}


@EITHER
def test_api_page_and_e_mails_name_the_operator_s_domain_or_aws_s(own: bool) -> None:
    conditions = {"OwnDomain": own, "TabIsApiRoot": True}
    root = "https://backups.example.com" if own else "https://a1b2c3.execute-api.eu-west-1.amazonaws.com/v1"
    assert resolved(written()["Outputs"]["ApiUrl"]["Value"], NAMES, conditions) == root
    variables = of("NotifyFunction", "Environment", "Variables")
    assert resolved(variables["TAB_URL"], NAMES, conditions) == f"{root}/"
    for addresses in ("CallbackURLs", "LogoutURLs"):
        assert f"{root}/" in resolved(of("AppClient", addresses), NAMES, conditions)


def test_the_domain_leads_to_the_stage_and_says_where_its_record_must_lead() -> None:
    resources = translated()["Resources"]
    for name in ("OwnDomainName", "OwnDomainMapping"):
        assert resources[name]["Condition"] == "OwnDomain"
    mapping = of("OwnDomainMapping")
    assert mapping["Stage"] == {"Ref": "Apiv1Stage"}
    assert "Apiv1Stage" in resources
    assert "BasePath" not in mapping  # at the domain's root, as the page's address says
    target = translated()["Outputs"]["ApiDomainTarget"]
    assert target["Condition"] == "OwnDomain"
    assert target["Value"] == {"Fn::GetAtt": ["OwnDomainName", "RegionalDomainName"]}


def test_a_domain_without_its_certificate_is_refused_before_anything_is_made() -> None:
    rule = written()["Rules"]["OwnDomainNeedsItsCertificate"]
    assert rule["RuleCondition"] == {"Fn::Not": [{"Fn::Equals": [{"Ref": "ApiDomain"}, ""]}]}
    (assertion,) = rule["Assertions"]
    assert assertion["Assert"] == {"Fn::Not": [{"Fn::Equals": [{"Ref": "ApiCertificateArn"}, ""]}]}
