"""What a package keeps of botocore's descriptions of AWS makes the same clients as all of it."""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import botocore
import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.client import BaseClient
from botocore.compat import HTTPHeaders
from botocore.config import Config
from botocore.exceptions import BotoCoreError
from botocore.loaders import Loader
from botocore.session import Session
from urllib3.response import HTTPResponse

from infra.service_data import keep_services
from tests.unit.infra.test_package import BUILDS

ALL = Path(botocore.__file__).parent / "data"
SERVICES = sorted({service for _, services in BUILDS.values() for service in services})
# The oldest, others of the largest partition, one of every other partition, and one that is not yet known.
REGIONS = (
    *("us-east-1", "us-west-2", "eu-west-1", "eu-south-2", "ap-southeast-7", "us-gov-west-1", "cn-north-1"),
    *("us-iso-east-1", "us-isob-east-1", "eu-isoe-west-1", "us-isof-south-1", "eusc-de-east-1", "eu-west-9"),
)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as a package has it that calls all services that any of ours calls."""
    place = tmp_path_factory.mktemp("botocore") / "data"
    place.mkdir()
    for file in ALL.glob("*.json*"):
        shutil.copy(file, place)
    for service in [*SERVICES, "ec2"]:
        shutil.copytree(ALL / service, place / service)
    keep_services(place, set(SERVICES))
    return place


def session_on(data: Path) -> Session:
    session = Session()
    loader = Loader(extra_search_paths=[str(data)], include_default_search_paths=False)
    session.register_component("data_loader", loader)
    return session


def client_of(session: Session, service: str, region: str, **options: Any) -> BaseClient:
    return session.create_client(
        service,
        region,
        aws_access_key_id="AKIDEXAMPLE",
        aws_secret_access_key="secret",
        config=Config(**options),
    )


def place_of(session: Session, service: str, region: str, **options: Any) -> object:
    """Where a client would call, or why there is no such place."""
    try:
        meta = client_of(session, service, region, **options).meta
    except BotoCoreError as error:
        return str(error)
    return meta.endpoint_url, meta.region_name, meta.partition


def content_of(file: Path) -> Any:
    data = file.read_bytes()
    return json.loads(gzip.decompress(data) if file.suffix == ".gz" else data)


def leaves(node: Any, *way: str | int) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    """Every value that holds no other, and where it stands."""
    inner = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for name, value in inner:
        yield from leaves(value, *way, name)
    if not inner:
        yield way, node


@pytest.mark.parametrize("service", SERVICES)
def test_clients_call_the_same_places_in_every_region(kept: Path, service: str) -> None:
    whole, small = session_on(ALL), session_on(kept)
    found = set()
    for region in REGIONS:
        for options in ({}, {"use_fips_endpoint": True}, {"use_dualstack_endpoint": True}):
            place = place_of(whole, service, region, **options)
            assert place_of(small, service, region, **options) == place
            found.add(place)
    assert len(found) > len(REGIONS)


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_is_described_as_before_but_for_texts(kept: Path, service: str) -> None:
    # Not through botocore: moto changes what has been loaded.
    whole, small = (
        {str(file.relative_to(data)).removesuffix(".gz"): file for file in (data / service).rglob("*.json*")}
        for data in (ALL, kept)
    )
    assert whole.keys() == small.keys()
    for name, file in whole.items():
        before, after = dict(leaves(content_of(file))), dict(leaves(content_of(small[name])))
        assert before.keys() == after.keys()
        assert {way[-1] for way, value in before.items() if after[way] != value} <= {"documentation"}
        assert {value for way, value in after.items() if way[-1:] == ("documentation",)} <= {""}


CALLS: dict[str, tuple[str, dict[str, Any], str]] = {
    "dynamodb": ("query", {"TableName": "t", "KeyConditionExpression": "pk = :a"}, '{"Items": []}'),
    "lambda": ("invoke", {"FunctionName": "f", "Payload": b"{}"}, "{}"),
    "s3": ("get_object", {"Bucket": "b", "Key": "k", "Range": "bytes=0-9"}, "some bytes"),
    "sesv2": ("send_email", {"FromEmailAddress": "a@example.com", "Content": {}}, '{"MessageId": "m"}'),
    "stepfunctions": ("start_execution", {"stateMachineArn": "arn"}, '{"executionArn": "arn"}'),
    "sts": (
        "assume_role",
        {"RoleArn": "arn:aws:iam::123456789012:role/r", "RoleSessionName": "me"},
        "<AssumeRoleResponse><AssumeRoleResult><PackedPolicySize>6</PackedPolicySize></AssumeRoleResult>"
        "</AssumeRoleResponse>",
    ),
}


def called(session: Session, service: str) -> tuple[object, object]:
    """What is sent, and how the answer is read."""
    operation, parameters, body = CALLS[service]
    client = client_of(session, service, "eu-west-1")
    sent: list[object] = []

    def answer(request: AWSPreparedRequest, **_: object) -> Any:
        signed_or_random = ("authorization", "x-amz-date", "amz-sdk-invocation-id", "user-agent")
        headers = {name.lower(): value for name, value in request.headers.items()}
        kept = {name: value for name, value in headers.items() if name not in signed_or_random}
        sent.append((request.method, request.url, request.body, kept))
        raw = HTTPResponse(BytesIO(body.encode()), preload_content=False)
        return AWSResponse(request.url, 200, HTTPHeaders(), raw)

    client.meta.events.register("before-send", answer)  # instead of sending
    read = getattr(client, operation)(**parameters)
    streams = {name: value.read() for name, value in read.items() if hasattr(value, "read")}
    return sent, {**read, **streams, "ResponseMetadata": None}


@pytest.mark.parametrize("service", SERVICES)
def test_a_call_is_sent_and_its_answer_read_the_same(kept: Path, service: str) -> None:
    sent, read = called(session_on(kept), service)
    assert sent
    assert (sent, read) == called(session_on(ALL), service)


def test_clients_read_a_third_of_what_they_would_read(kept: Path) -> None:
    def size(data: Path) -> int:
        read = [data / "endpoints.json", *(max(data.glob(f"{name}/*/service-2.json*")) for name in SERVICES)]
        return len(json.dumps([content_of(file) for file in read]))

    assert size(kept) < size(ALL) / 3


def test_services_that_nobody_calls_are_left_out_and_what_all_need_stays(kept: Path) -> None:
    assert sorted(entry.name for entry in kept.iterdir()) == sorted(
        [*SERVICES, "_retry.json", "endpoints.json", "partitions.json", "sdk-default-configuration.json"]
    )


def test_a_member_that_is_called_documentation_stays(tmp_path: Path) -> None:
    shutil.copy(ALL / "endpoints.json", tmp_path)
    file = tmp_path / "s3" / "2006-03-01" / "service-2.json"
    file.parent.mkdir(parents=True)
    shape = {"members": {"documentation": {"shape": "Text", "documentation": "Words."}}}
    file.write_text(json.dumps({"metadata": {"endpointPrefix": "s3"}, "shapes": {"Page": shape}}))
    keep_services(tmp_path, {"s3"})
    assert json.loads(file.read_text())["shapes"]["Page"] == {
        "members": {"documentation": {"shape": "Text", "documentation": ""}}
    }


def test_a_service_that_botocore_does_not_know_stops_the_build_before_anything_is_deleted(
    tmp_path: Path,
) -> None:
    for service in ("dynamodb", "ec2"):
        (tmp_path / service).mkdir()
    with pytest.raises(SystemExit, match="s4"):
        keep_services(tmp_path, {"dynamodb", "s4"})
    assert (tmp_path / "ec2").exists()
