"""Where the local AWS (ministack) does otherwise than AWS, as far as code, tests or words here build on it.

Each test asserts what ministack does now, and says what AWS does and where that is written. One that fails
after an upgrade is good news: what was done because of it can go.
"""

from __future__ import annotations

import base64
import itertools
import json
import zlib
from collections.abc import Iterator
from typing import Any, cast

import boto3
import pytest
import requests
from botocore.exceptions import ClientError

from local import people
from local.aws import REGION
from local.stack import SENDER
from tests.e2e.test_sign_in import VERIFIER, code_for, exchange
from tests.e2e.world import World, eventually

_numbers = itertools.count(1)
CRC32_OF_ABC = base64.b64encode(zlib.crc32(b"abc").to_bytes(4, "big")).decode()


@pytest.fixture
def name() -> str:
    """A name that nothing else has."""
    return f"emulated-{next(_numbers)}"


@pytest.fixture
def bucket(world: World, name: str) -> str:
    """A bucket without rules of its own."""
    configuration = {"LocationConstraint": REGION}
    world.client("s3").create_bucket(Bucket=name, CreateBucketConfiguration=configuration)
    return name


@pytest.fixture
def role(world: World, name: str) -> Iterator[str]:
    """The ARN of a role that may do nothing, which Step Functions and everyone here may take."""
    trust = {
        "Effect": "Allow",
        "Principal": {"Service": "states.amazonaws.com", "AWS": "*"},
        "Action": "sts:AssumeRole",
    }
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    iam = world.client("iam")
    yield iam.create_role(RoleName=name, AssumeRolePolicyDocument=document)["Role"]["Arn"]
    for policy in iam.list_role_policies(RoleName=name)["PolicyNames"]:
        iam.delete_role_policy(RoleName=name, PolicyName=policy)
    iam.delete_role(RoleName=name)


def client_of(world: World, role: str, service: str, **allowed: Any) -> Any:
    """A client of someone who took the role, which may do `allowed` and nothing else."""
    statement = {"Effect": "Allow", **allowed}
    world.client("iam").put_role_policy(
        RoleName=role.rpartition("/")[2],
        PolicyName="allowed",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [statement]}),
    )
    taken = world.client("sts").assume_role(RoleArn=role, RoleSessionName="emulated")["Credentials"]
    session = cast(
        Any, boto3.Session(taken["AccessKeyId"], taken["SecretAccessKey"], taken["SessionToken"], REGION)
    )
    return session.client(service, endpoint_url=world.aws.endpoint)


def code_of(refused: pytest.ExceptionInfo[ClientError]) -> str:
    return refused.value.response["Error"]["Code"]


# --- Step Functions ---


class Machine:
    def __init__(self, world: World, name: str, role: str, **state: Any) -> None:
        self.client = world.client("stepfunctions")
        timeout = {"TimeoutSeconds": state.pop("timeout")} if "timeout" in state else {}
        definition = {"StartAt": "A", **timeout, "States": {"A": {"End": True, **state}}}
        self.arn = self.client.create_state_machine(
            name=name, definition=json.dumps(definition), roleArn=role
        )["stateMachineArn"]

    def start(self, name: str = "one", given: str = "{}") -> str:
        started = self.client.start_execution(stateMachineArn=self.arn, name=name, input=given)
        return str(started["executionArn"])

    def end_of(self, execution: str) -> dict[str, Any]:
        def ended() -> dict[str, Any] | None:
            found: dict[str, Any] = self.client.describe_execution(executionArn=execution)
            return found if found["status"] != "RUNNING" else None

        found: dict[str, Any] = eventually(ended, "the execution to end")
        return found


def test_a_start_with_the_name_and_input_of_a_running_execution_is_refused(
    world: World, name: str, role: str
) -> None:
    """AWS answers with the running execution; the code takes either for started (workflow.py).

    https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartExecution.html
    """
    machine = Machine(world, name, role, Type="Wait", Seconds=10)
    running = machine.start()
    with pytest.raises(ClientError) as refused:
        machine.start()
    assert code_of(refused) == "ExecutionAlreadyExists"
    machine.client.stop_execution(executionArn=running)


def test_an_execution_name_of_81_characters_is_taken(world: World, name: str, role: str) -> None:
    """AWS refuses it, as moto does (tests/unit/test_moto.py). Backup ids have 26.

    https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartExecution.html
    """
    assert Machine(world, name, role, Type="Pass").start("x" * 81)


def test_stopping_an_execution_that_has_ended_is_refused(world: World, name: str, role: str) -> None:
    """AWS lists no such error, and moto answers with success; the code takes it for stopped (workflow.py).

    https://docs.aws.amazon.com/step-functions/latest/apireference/API_StopExecution.html
    """
    machine = Machine(world, name, role, Type="Pass")
    execution = machine.start()
    assert machine.end_of(execution)["status"] == "SUCCEEDED"
    with pytest.raises(ClientError) as refused:
        machine.client.stop_execution(executionArn=execution)
    assert code_of(refused) == "ValidationException"


def test_a_machines_time_out_does_not_end_it(world: World, name: str, role: str) -> None:
    """AWS ends it as TIMED_OUT; what must hold then is tried with executions that are stopped.

    https://docs.aws.amazon.com/step-functions/latest/dg/sfn-stuck-execution.html
    """
    machine = Machine(world, name, role, Type="Wait", Seconds=2, timeout=1)
    assert machine.end_of(machine.start())["status"] == "SUCCEEDED"


def test_an_error_of_a_function_has_one_name_whatever_its_class_and_the_machines_role_is_not_asked(
    world: World, name: str, role: str
) -> None:
    """On AWS `error` is the class's name (Superseded, BucketUnavailable), and with this role the call would
    be refused. So the workflow's own role is put to IAM's simulator (test_least_privilege.py), and the names
    in workflow.asl.json are compared with the classes (tests/unit/infra/test_workflow_errors.py).

    https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html
    """
    function = world.client("lambda").get_function_configuration(
        FunctionName=world.resource("ExportBackupFunction")
    )["FunctionArn"]
    machine = Machine(
        world,
        name,
        role,
        Type="Task",
        Resource="arn:aws:states:::lambda:invoke",
        Parameters={"FunctionName": function, "Payload": {"step": "no such step"}},
    )
    assert machine.end_of(machine.start())["error"] == "Runtime.HandlerError"


@pytest.mark.parametrize("mode", ["INLINE", "DISTRIBUTED"])
def test_a_concurrency_that_a_path_leads_to_is_not_kept_to(
    world: World, name: str, role: str, mode: str
) -> None:
    """On AWS two waits of two seconds, one at once, take four; tests that must not start a function for each
    of many units at once write the number into the definition (test_units.py).

    https://docs.aws.amazon.com/step-functions/latest/dg/state-map.html
    """
    wait = {"StartAt": "Wait", "States": {"Wait": {"Type": "Wait", "Seconds": 2, "End": True}}}
    machine = Machine(
        world,
        name,
        role,
        Type="Map",
        ItemsPath="$.items",
        MaxConcurrencyPath="$.at_once",
        ItemProcessor={"ProcessorConfig": {"Mode": mode, "ExecutionType": "STANDARD"}, **wait},
    )
    ended = machine.end_of(machine.start(given=json.dumps({"items": [1, 2], "at_once": 1})))
    assert (ended["stopDate"] - ended["startDate"]).total_seconds() < 3.9


# --- S3 ---


def test_a_part_under_five_megabytes_is_taken_before_the_last(world: World, bucket: str) -> None:
    """AWS answers EntityTooSmall when the upload is completed; so does moto, which sees to part sizes.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html
    """
    s3, place = world.client("s3"), {"Bucket": bucket, "Key": "k"}
    upload = s3.create_multipart_upload(**place)["UploadId"]
    parts = [
        {
            "PartNumber": number,
            "ETag": s3.upload_part(**place, UploadId=upload, PartNumber=number, Body=b"x")["ETag"],
        }
        for number in (1, 2)
    ]
    s3.complete_multipart_upload(**place, UploadId=upload, MultipartUpload={"Parts": parts})
    assert s3.head_object(**place)["ContentLength"] == 2


def test_a_range_of_a_small_object_may_be_copied_as_a_part(world: World, bucket: str) -> None:
    """AWS copies ranges only of sources over 5 MiB; zip_layout.py keeps to it, as its own tests see.

    https://docs.aws.amazon.com/AmazonS3/latest/API/API_UploadPartCopy.html
    """
    s3, place = world.client("s3"), {"Bucket": bucket, "Key": "k"}
    s3.put_object(**place, Body=b"small")
    upload = s3.create_multipart_upload(**place)["UploadId"]
    copied = s3.upload_part_copy(
        **place, UploadId=upload, PartNumber=1, CopySource=place, CopySourceRange="bytes=0-1"
    )
    assert copied["CopyPartResult"]["ETag"]
    s3.abort_multipart_upload(**place, UploadId=upload)


def test_no_upload_has_the_sum_of_the_whole(world: World, bucket: str) -> None:
    """AWS answers FULL_OBJECT, compares the sum that the completion brings, and tells it afterwards.

    archive.py brings it only where it was answered so. What is put is compared and told as by AWS.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html
    """
    s3, place = world.client("s3"), {"Bucket": bucket, "Key": "whole"}
    begun = s3.create_multipart_upload(**place, ChecksumAlgorithm="CRC32", ChecksumType="FULL_OBJECT")
    assert begun["ChecksumType"] == "COMPOSITE"
    part = s3.upload_part(**place, UploadId=begun["UploadId"], PartNumber=1, Body=b"abc")
    parts = [{"PartNumber": 1, "ETag": part["ETag"], "ChecksumCRC32": part["ChecksumCRC32"]}]
    completed = {**place, "UploadId": begun["UploadId"], "MultipartUpload": {"Parts": parts}}
    with pytest.raises(ClientError) as refused:
        s3.complete_multipart_upload(**completed, ChecksumCRC32=CRC32_OF_ABC)
    assert code_of(refused) == "BadDigest"
    s3.complete_multipart_upload(**completed)
    assert s3.head_object(**place, ChecksumMode="ENABLED")["ChecksumType"] == "COMPOSITE"

    s3.put_object(**place, Body=b"abc", ChecksumCRC32=CRC32_OF_ABC)
    found = s3.head_object(**place, ChecksumMode="ENABLED")
    assert (found["ChecksumType"], found["ChecksumCRC32"]) == ("FULL_OBJECT", CRC32_OF_ABC)
    with pytest.raises(ClientError) as refused:
        s3.put_object(**place, Body=b"abc", ChecksumCRC32="AAAAAA==")
    assert code_of(refused) == "BadDigest"


def test_a_bucket_policy_that_denies_is_not_asked(world: World, bucket: str) -> None:
    """AWS does; tests/unit/infra/test_template_storage.py has the template's.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-policies.html
    """
    s3 = world.client("s3")
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    resource = f"arn:aws:s3:::{bucket}/*"
    deny = {"Effect": "Deny", "Principal": "*", "Action": "s3:GetObject", "Resource": resource}
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [deny]}))
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"x"


def test_an_object_that_is_not_there_is_404_to_one_who_may_not_list(world: World, role: str) -> None:
    """On AWS that is 403; so the download role may list (test_least_privilege.py asks IAM's simulator).

    https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html
    """
    s3 = client_of(world, role, "s3", Action="s3:GetObject", Resource="*")
    with pytest.raises(ClientError) as refused:
        s3.get_object(Bucket=world.outputs["Bucket"], Key="backups/none")
    assert code_of(refused) == "NoSuchKey"


# --- Cognito ---


def claims_of(token: str) -> dict[str, Any]:
    claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
    return claims


def test_a_user_can_rewrite_the_own_account_although_the_template_forbids_it_twice(world: World) -> None:
    """AWS refuses: the app client's WriteAttributes lack custom:account_id, and it is not mutable. Of the
    template both are asserted (tests/unit/infra/test_template_api.py); here neither is enforced.

    https://docs.aws.amazon.com/cognito/latest/developerguide/user-pool-settings-attributes.html
    """
    cognito, person = world.client("cognito-idp"), world.person("20000")
    asked = {"UserPoolId": world.outputs["UserPoolId"], "ClientId": world.outputs["AppClientId"]}
    client = cognito.describe_user_pool_client(**asked)["UserPoolClient"]
    assert "custom:account_id" not in client["WriteAttributes"]
    tokens = cognito.admin_initiate_auth(
        **asked,
        AuthFlow="ADMIN_USER_PASSWORD_AUTH",
        AuthParameters={"USERNAME": person.email, "PASSWORD": person.password},
    )["AuthenticationResult"]
    cognito.update_user_attributes(
        AccessToken=tokens["AccessToken"], UserAttributes=[{"Name": "custom:account_id", "Value": "19999"}]
    )
    token = people.sign_in(cognito, world.outputs, person)
    assert claims_of(token)["custom:account_id"] == "19999"


def test_a_renewed_token_of_the_hosted_sign_in_has_no_groups(world: World) -> None:
    """On AWS it has those of the user; here the page takes an administrator for a mere reader after an hour.

    https://docs.aws.amazon.com/cognito/latest/developerguide/amazon-cognito-user-pools-using-the-refresh-token.html
    """
    code = code_for(world, world.person(world.account().id))
    grant = {"grant_type": "authorization_code", "code": code, "redirect_uri": world.page_url}
    first = exchange(world, **grant, code_verifier=VERIFIER).json()
    second = exchange(world, grant_type="refresh_token", refresh_token=first["refresh_token"]).json()
    assert claims_of(first["id_token"])["cognito:groups"]
    assert not claims_of(second["id_token"]).get("cognito:groups")


def test_unset_texts_of_an_app_client_are_described_as_empty_ones(world: World) -> None:
    """AWS leaves them out, and refuses them in an update; local/gaps.py leaves them out too.

    https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_UserPoolClientType.html
    """
    client = world.client("cognito-idp").describe_user_pool_client(
        UserPoolId=world.outputs["UserPoolId"], ClientId=world.outputs["AppClientId"]
    )["UserPoolClient"]
    assert client["DefaultRedirectURI"] == ""


# --- the rest ---


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [("/backups", 401, "Unauthorized"), ("/nothing", 403, "Missing Authentication Token")],
)
def test_the_gateway_answers_in_its_own_words(world: World, path: str, status: int, words: str) -> None:
    """AWS answers as the template's GatewayResponses say: problems, and 404 for a path that is none.
    Schemathesis is handed those (gateway_answers.py).

    https://docs.aws.amazon.com/apigateway/latest/developerguide/supported-gateway-response-types.html
    """
    answer = requests.get(world.aws.api_url(world.outputs["ApiUrl"]) + path, timeout=10)
    assert (answer.status_code, answer.json()) == (status, {"message": words})


def test_who_may_send_from_the_senders_identity_may_not_send(world: World, role: str) -> None:
    """AWS asks for ses:SendEmail on the identity, and so says the template; here it must be allowed on `*`,
    which local/gaps.py does after a deployment.

    https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonses.html
    """
    mail = {
        "FromEmailAddress": SENDER,
        "Destination": {"ToAddresses": ["ann@example.com"]},
        "Content": {"Simple": {"Subject": {"Data": "s"}, "Body": {"Text": {"Data": "t"}}}},
    }
    identity = f"arn:aws:ses:{REGION}:000000000000:identity/{SENDER}"
    with pytest.raises(ClientError) as refused:
        client_of(world, role, "sesv2", Action="ses:SendEmail", Resource=identity).send_email(**mail)
    assert code_of(refused) in {"AccessDenied", "AccessDeniedException"}
    assert client_of(world, role, "sesv2", Action="ses:SendEmail", Resource="*").send_email(**mail)[
        "MessageId"
    ]
