"""The main job over real HTTP: request → export → e-mail → download, and what is in the file."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
import requests

from local import expected, seed
from local.stack import PRODUCT
from tests.e2e.world import World
from tests.reading import csv_lines, undo_escape, xml_root, xml_text
from tests.unzippers import UNZIPPERS

SECRETS = ("api_token", "password_hash", "personal_url")


@dataclass
class Job:
    """A backup of an account that looks like life, made once for the tests below."""

    account: seed.Account
    records: list[seed.Record]
    token: str
    shown: dict[str, Any]
    link: str
    download: requests.Response
    path: Path

    @property
    def rows(self) -> dict[str, expected.Rows]:
        return expected.expected(self.records, datetime.fromisoformat(self.shown["requested_at"]))

    def member(self, name: str) -> bytes:
        with ZipFile(self.path) as archive:
            return archive.read(name)


@pytest.fixture(scope="module")
def job(world: World, tmp_path_factory: pytest.TempPathFactory) -> Job:
    account = world.account(proofs=30, comments=1500)
    records = world.fill(account)
    token = world.token(account.id)
    shown = world.ended(token, world.ask(token))
    assert shown["state"] == "ready", shown
    (mail,) = world.mails_about(shown["file"]["name"])
    link = next(line.strip() for line in mail.text.splitlines() if "X-Amz-Signature" in line)
    download = requests.get(link, timeout=60)
    path = tmp_path_factory.mktemp("download") / shown["file"]["name"]
    path.write_bytes(download.content)
    return Job(account, records, token, shown, link, download, path)


def test_the_file_is_named_after_account_date_and_a_random_number(job: Job) -> None:
    today = datetime.now(UTC)
    assert re.fullmatch(rf"{job.account.id}_{today:%d_%m_%Y}_[0-9]{{5}}\.zip", job.shown["file"]["name"])


def test_the_link_in_the_mail_brings_the_file_with_its_name_and_type(job: Job) -> None:
    assert job.download.status_code == 200
    assert job.download.headers["Content-Type"] == "application/zip"
    assert job.download.headers["Content-Disposition"] == f'attachment; filename="{job.path.name}"'
    assert len(job.download.content) == job.shown["file"]["bytes"]


def test_the_mail_goes_to_whoever_asked_and_names_the_moments(world: World, job: Job) -> None:
    (mail,) = world.mails_about(job.path.name)
    assert mail.subject == f"Your {PRODUCT} backup is ready"
    assert len(mail.to) == 1
    assert mail.to[0].endswith("@example.com")
    assert job.link in mail.text
    assert world.page_url in mail.text
    assert "Ann Other" in mail.html
    assert job.shown["mail"] == "sent"


@pytest.mark.parametrize("unzipper", UNZIPPERS)
def test_every_unzipper_accepts_the_archive(job: Job, unzipper: str, tmp_path: Path) -> None:
    UNZIPPERS[unzipper](job.path, tmp_path)
    found = sorted(entry.name for entry in tmp_path.iterdir())
    assert found == sorted([*expected.COLUMNS, "backup.xml", "manifest.json"])


def test_the_csv_files_hold_exactly_what_the_account_held(job: Job) -> None:
    for member, rows in job.rows.items():
        content = job.member(member)
        assert csv_lines(content, "utf-8")[0] == expected.COLUMNS[member].split()
        assert list(expected.read(content)) == rows, member


def test_backup_xml_is_valid_and_holds_the_same_records_nested(job: Job) -> None:
    root = xml_root(job.member("backup.xml"))
    found = {
        "users.csv": root.findall("users/user"),
        "contacts.csv": root.findall("contacts/contact"),
        "recipients.csv": root.findall(".//version/recipients/recipient"),
        "comments.csv": root.findall(".//version/comments/comment"),
        "comment_responses.csv": root.findall(".//comment/responses/response"),
    }
    for member, elements in found.items():
        columns = [column for column in expected.COLUMNS[member].split() if column != "tags"]
        in_xml = [tuple(xml_text(element.find(column)) or "" for column in columns) for element in elements]
        in_source = [tuple(row[column] for column in columns) for row in job.rows[member]]
        assert Counter(in_xml) == Counter(in_source), member
    versions = root.findall("proofs/proof/version") + root.findall("proofs/file/version")
    assert len(versions) == len(job.rows["files.csv"])


def test_every_text_of_the_source_comes_back_control_characters_included(job: Job) -> None:
    """The odd texts are there, in CSV and XML, and are not what the file holds byte for byte."""
    comments = {row["comment"] for row in job.rows["comments.csv"]}
    odd = [text for text in comments if any(ord(character) < 32 for character in text)]
    formulas = [text for text in comments if text.startswith(("=", "+", "-", "@"))]
    assert odd
    assert formulas
    root = xml_root(job.member("backup.xml"))
    in_xml = {undo_escape(element.text or "") for element in root.iter("comment") if element.text}
    assert set(odd) <= in_xml | {xml_text(element.find("comment")) for element in root.iter("comment")}
    raw = [line[6] for line in csv_lines(job.member("comments.csv"), "utf-8")[1:]]
    assert not any(cell.startswith(("=", "+", "-", "@")) for cell in raw)


def test_the_trash_and_what_is_secret_are_nowhere_in_it(job: Job) -> None:
    trashed = [item for table, item in job.records if table == "FILES" and item["status"] == "trashed"]
    secrets = {str(item[name]) for _, item in job.records for name in SECRETS if name in item}
    later = [
        item["comment"]
        for table, item in job.records
        if table == "COMMENTS" and item["created_at"] > job.shown["requested_at"]
    ]
    assert trashed
    assert secrets
    assert later
    with ZipFile(BytesIO(job.download.content)) as archive:
        everything = b"\n".join(archive.read(name) for name in archive.namelist()).decode()
    for word in (*SECRETS, *secrets, *later):
        assert word not in everything
    ids = {row["id"] for row in job.rows["files.csv"]}
    assert not ids & {str(item["id"]) for item in trashed}


def test_the_manifest_says_what_is_in_the_archive(job: Job) -> None:
    manifest = json.loads(job.member("manifest.json"))
    assert manifest["account"] == {"id": job.account.id, "name": job.account.name}
    with ZipFile(job.path) as archive:
        for entry in manifest["files"]:
            info = archive.getinfo(entry["name"])
            assert (entry["bytes"], entry["crc32"]) == (info.file_size, f"{info.CRC:08x}")
            if entry["name"] in job.rows:
                assert entry["rows"] == len(job.rows[entry["name"]])
    for counts in manifest["records"].values():
        assert counts["read"] == counts["written"] + sum(counts["left_out"].values())
    comments = manifest["records"]["COMMENTS"]["left_out"]
    assert comments["trash"] > 0
    assert comments["after_snapshot"] == 1


def test_after_a_backup_there_is_its_archive_and_no_open_upload(world: World, job: Job) -> None:
    assert len([key for key in world.objects("backups/") if key.endswith(job.path.name)]) == 1
    uploads = world.client("s3").list_multipart_uploads(Bucket=world.outputs["Bucket"])
    assert uploads.get("Uploads", []) == []


def test_neither_logs_nor_the_workflows_history_hold_links_tokens_addresses_or_rows(
    world: World, job: Job
) -> None:
    history = world.client("stepfunctions").get_execution_history(
        executionArn=world.execution(job.shown["id"])["executionArn"], maxResults=1000
    )
    readable = json.dumps(history["events"], default=str) + "\n".join(world.logs())
    assert job.shown["id"] in readable
    signature = job.link.rpartition("X-Amz-Signature=")[2]
    long_texts = [row["comment"] for row in job.rows["comments.csv"] if len(row["comment"]) > 20]
    for secret in (signature, "X-Amz-", job.token, "@example.com", job.account.name, *long_texts[:200]):
        assert secret not in readable


def test_the_tab_shows_the_backup_as_the_last_ready_one(world: World, job: Job) -> None:
    overview = world.call("GET", "/backups", job.token).json()
    assert overview["may_request"] is True
    assert overview["last_ready"] == job.shown == overview["history"][0]
    assert overview["running"] is None


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "windows-1252", "shift_jis"])
def test_the_accounts_encoding_rules_the_csv_files(world: World, encoding: str, tmp_path: Path) -> None:
    account = world.account(encoding=encoding)
    records = world.fill(account)
    token = world.token(account.id)
    shown = world.ended(token, world.ask(token))
    link = world.call("POST", f"/backups/{shown['id']}/download-url", token).json()["url"]
    path = tmp_path / "archive.zip"
    path.write_bytes(requests.get(link, timeout=60).content)
    rows = expected.expected(records, datetime.fromisoformat(shown["requested_at"]))
    with ZipFile(path) as archive:
        for member in rows:
            assert list(expected.read(archive.read(member), encoding)) == rows[member], member
        xml_root(archive.read("backup.xml"))
    if not encoding.startswith("utf"):
        assert shown["file"]["replaced"] > 0
