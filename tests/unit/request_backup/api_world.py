"""The API as its callers meet it: API Gateway's events in, HTTP answers out, moto's AWS beneath."""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urljoin

import boto3

from functions.request_backup.archives import Archives
from functions.request_backup.cleaning import Cleaner
from functions.request_backup.desk import Desk
from functions.request_backup.removal import Removal
from functions.request_backup.routes import make_api
from functions.request_backup.site import Site
from functions.request_backup.workflow import Workflow
from shared.languages import Languages
from shared.link import LinkSigner
from shared.logs import get_logger
from shared.metrics import Meter
from tests.faults import Line
from tests.unit.request_backup.asked_functions import AskedFunctions
from tests.unit.request_backup.contract import assert_promised
from tests.unit.shared.backups_table import TABLE, TWICE, BackupsTable, next_backup_id

BUCKET = "archives"
ROLE = "arn:aws:iam::123456789012:role/download"
CLIENT = "4h57k-our-app-client"
OWN_PAGE = "https://app.example.com"
SIGN_IN = "https://sign-in.example.com"
ADMINS = "account-admins"
NOBODY: dict[str, str | None] = {"cognito:groups": None}
EXPORT_FUNCTION = "export-function"
SALES = "sales@proofdesk.example"
TOKEN = "eyJhbGciOiJSUzI1NiJ9.c2VjcmV0LXRva2Vu.c2lnbmF0dXJl"
ADDRESS = "ann@example.com"
TAG = "tag:account-backup,2026:"


def claims_of(account_id: str, **other: str | None) -> dict[str, Any]:
    """An ID token's claims as API Gateway's Cognito authorizer hands them over: all text. None: left out."""
    claims: dict[str, str | None] = {
        "sub": "5b1c7c4e-0001-4a7b-9c1d-0123456789ab",
        "aud": CLIENT,
        "iss": "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_Example",
        "token_use": "id",
        "auth_time": "1763800000",
        "iat": "Sat Nov 22 10:11:12 UTC 2025",
        "exp": "Sat Nov 22 11:11:12 UTC 2025",
        "cognito:username": "5b1c7c4e",
        "cognito:groups": ADMINS,
        "email": ADDRESS,
        "email_verified": "true",
        "name": "Ann",
        "locale": "nl",
        "custom:account_id": account_id,
    }
    return {name: value for name, value in (claims | other).items() if value is not None}


def proxy_event(
    method: str,
    path: str,
    *,
    claims: Mapping[str, Any] | None,
    body: str | None = None,
    headers: Mapping[str, str] | None = None,
    query: Mapping[str, str] | None = None,
    is_base64: bool = False,
) -> dict[str, Any]:
    """https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html"""
    all_headers = {"Authorization": TOKEN, "Host": "api.example.com", **(headers or {})}
    return {
        "resource": path,
        "path": path,
        "httpMethod": method,
        "headers": all_headers,
        "multiValueHeaders": {name: [value] for name, value in all_headers.items()},
        "queryStringParameters": dict(query) if query else None,
        "multiValueQueryStringParameters": {n: [v] for n, v in query.items()} if query else None,
        "pathParameters": None,
        "stageVariables": {"appClientId": CLIENT, "signIn": SIGN_IN},
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "abc123",
            "stage": "v1",
            "path": f"/v1{path}",
            "resourcePath": path,
            "httpMethod": method,
            "requestId": "c6af9ac6-7b61-11e6-9a41-93e8deadbeef",
            "identity": {"sourceIp": "203.0.113.7"},
            **({} if claims is None else {"authorizer": {"claims": dict(claims)}}),
        },
        "body": body,
        "isBase64Encoded": is_base64,
    }


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    text: str

    @property
    def body(self) -> Any:
        return json.loads(self.text)

    @property
    def problem(self) -> str:
        """The problem's name, without the prefix that all share."""
        assert self.headers["Content-Type"] == "application/problem+json"
        kind: str = self.body["type"]
        assert kind.startswith(TAG)
        return kind.removeprefix(TAG)


class Context:
    function_name = "request_backup"
    memory_limit_in_mb = 512
    invoked_function_arn = "arn:aws:lambda:eu-west-1:123456789012:function:request_backup"
    aws_request_id = "r-1"


class ApiWorld:
    def __init__(self, log: io.StringIO) -> None:
        self.table = BackupsTable()
        self.store = self.table.store
        self.s3: Any = boto3.client("s3")
        self.s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
        self.sfn: Any = boto3.client("stepfunctions", config=TWICE)
        machine = self.sfn.create_state_machine(
            name="backup",
            definition='{"StartAt": "A", "States": {"A": {"Type": "Pass", "End": true}}}',
            roleArn="arn:aws:iam::123456789012:role/workflow",
        )
        self.machine: str = machine["stateMachineArn"]
        sts: Any = boto3.client("sts", config=TWICE)
        archives: Any = boto3.client("s3", config=TWICE)
        self.functions = AskedFunctions()
        self.lines = {
            "dynamodb": self.table.line,
            "sfn": Line(self.sfn),
            "sts": Line(sts),
            "s3": Line(archives),
        }
        self.log = log
        self.given_ids: list[str] = []
        self._told: list[str] = []
        workflow = Workflow(self.sfn, self.machine)
        logger = get_logger("request_backup")
        desk = Desk(
            self.store,
            self.table.trail,
            workflow,
            LinkSigner(boto3.Session(), sts, role_arn=ROLE, bucket=BUCKET),
            Removal(
                self.store,
                workflow,
                Cleaner(self.functions.client, EXPORT_FUNCTION),
                Archives(archives, BUCKET),
                clock=lambda: self.table.now,
                logger=logger,
            ),
            clock=lambda: self.table.now,
            make_id=self._make_id,
            admin_group=ADMINS,
            sales_contact=SALES,
        )
        site = Site(Languages(), product="Northwind", frame_ancestors="'none'")
        self.api = make_api(
            desk,
            site,
            clock=lambda: self.table.now,
            logger=logger,
            meter=Meter("account-backup", logger),
            tab_origin=OWN_PAGE,
        )

    def begin_anew(self) -> None:
        self.table.now = datetime.now(UTC).replace(microsecond=0)
        for line in self.lines.values():
            line.mend()
        self.functions.mend()
        self.log.seek(0)
        self.log.truncate()

    def _make_id(self) -> str:
        self.given_ids.append(next_backup_id())
        return self.given_ids[-1]

    @property
    def calls(self) -> Counter[str]:
        return sum((line.calls for line in self.lines.values()), self.functions.calls.copy())

    def call(self, method: str, path: str, *, claims: Mapping[str, Any] | None, **event: Any) -> Answer:
        """The answer, after it has been held against openapi.yaml, and the log against what is secret."""
        given = self.api.resolve(
            proxy_event(method, path, claims=claims, **event),
            Context(),  # type: ignore[arg-type]
        )
        headers = {name: ", ".join(values) for name, values in given["multiValueHeaders"].items()}
        answer = Answer(given["statusCode"], headers, given["body"])
        assert given["isBase64Encoded"] is False
        assert_promised(method, path, answer.status, headers, answer.text)
        if headers.get("Content-Type", "").startswith("application/problem"):
            assert_is_a_problem(answer)
        if not path.startswith(("/openapi.yaml", "/page/")):
            assert headers["Cache-Control"] == "no-store"
        log = self.log.getvalue()
        for secret in (TOKEN, ADDRESS, "X-Amz-", "backups/", event.get("body")):
            # A body that is just `false` stands in every log line.
            assert not secret or len(secret) < 6 or secret not in log
        return answer

    def request(self, account_id: str, body: str = "{}", **event: Any) -> Answer:
        event.setdefault("claims", claims_of(account_id))
        event.setdefault("headers", {"Content-Type": "application/json"})
        return self.call("POST", "/backups", body=body, **event)

    def get(self, account_id: str, path: str, **event: Any) -> Answer:
        return self.call("GET", path, claims=claims_of(account_id), **event)

    def download(self, account_id: str, backup_id: str) -> Answer:
        return self.call("POST", f"/backups/{backup_id}/download-url", claims=claims_of(account_id))

    def remove(self, account_id: str, backup_id: str, **event: Any) -> Answer:
        event.setdefault("claims", claims_of(account_id))
        return self.call("DELETE", f"/backups/{backup_id}", **event)

    def choose(self, account_id: str, body: str, **event: Any) -> Answer:
        event.setdefault("claims", claims_of(account_id))
        event.setdefault("headers", {"Content-Type": "application/json"})
        return self.call("PUT", "/settings", body=body, **event)

    def follow(self, path: str, link: str, account_id: str) -> Answer:
        """GET what a relative reference in the answer from `path` leads to."""
        stage = "https://api.example.com/v1"
        target = urljoin(stage + path, link).removeprefix(stage)
        route, _, query = target.partition("?")
        return self.get(account_id, route, query=dict([query.split("=")]) if query else None)

    def executions(self, backup_id: str) -> list[dict[str, Any]]:
        """The inputs of the executions of this name."""
        found = self.sfn.list_executions(stateMachineArn=self.machine, maxResults=1000)["executions"]
        return [
            json.loads(self.sfn.describe_execution(executionArn=one["executionArn"])["input"])
            for one in found
            if one["name"] == backup_id
        ]

    def status_of(self, backup_id: str) -> str:
        """The status of the backup's execution."""
        arn = self.machine.replace(":stateMachine:", ":execution:")
        status: str = self.sfn.describe_execution(executionArn=f"{arn}:{backup_id}")["status"]
        return status

    def archives(self) -> set[str]:
        """The keys of what lies in the bucket."""
        return {one["Key"] for one in self.s3.list_objects_v2(Bucket=BUCKET).get("Contents", [])}

    def put_archive(self, object_key: str) -> None:
        self.s3.put_object(Bucket=BUCKET, Key=object_key, Body=b"PK")


def assert_is_a_problem(answer: Answer) -> None:
    """RFC 9457, section 3.1."""
    body = answer.body
    assert body["status"] == answer.status
    assert all(isinstance(body[member], str) and body[member] for member in ("type", "title", "detail"))
    assert answer.headers["Content-Type"] == "application/problem+json"


__all__ = ["TABLE", "Answer", "ApiWorld", "claims_of"]
