"""What the local AWS takes over from its surroundings, and what not."""

import os

import pytest

from local import aws


def test_child_processes_see_nothing_of_the_users_aws(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "production")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "secret")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIA")
    monkeypatch.setenv("PYTHONPATH", "/somewhere")
    environment = aws.clean_environment()
    assert environment["AWS_ACCESS_KEY_ID"] == aws.ROOT_KEY
    assert environment["AWS_SHARED_CREDENTIALS_FILE"] == os.devnull
    assert environment["AWS_CONFIG_FILE"] == os.devnull
    assert not {"AWS_PROFILE", "AWS_SESSION_TOKEN", "PYTHONPATH"} & environment.keys()
    assert environment["PATH"] == os.environ["PATH"]


def test_clients_speak_to_the_local_aws_whatever_profile_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "production")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "https://example.com")
    client = aws.LocalAws(4711, aws.STATE / "x.log", 1).client("dynamodb")
    assert client.meta.endpoint_url == "http://127.0.0.1:4711"
    assert client.meta.region_name == aws.REGION


def test_the_apis_address_on_aws_becomes_the_local_one() -> None:
    local = aws.LocalAws(4711, aws.STATE / "x.log", 1)
    url = "https://e8a4050a.execute-api.eu-west-1.amazonaws.com/v1"
    assert local.api_url(url) == "http://127.0.0.1:4711/_aws/execute-api/e8a4050a/v1"
    with pytest.raises(ValueError, match="not the address of an API"):
        local.api_url("https://example.com/v1")
