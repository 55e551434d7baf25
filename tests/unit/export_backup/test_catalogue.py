"""The allow-list is the design's, and nothing else is ever asked of the source."""

import pytest

from functions.export_backup.catalogue import MEMBERS, TABLES, Kind, Table

COLUMNS = {
    "organisation.csv": "id, name",
    "users.csv": "id, name, email, position, status",
    "contacts.csv": "id, name, organisation, email",
    "files.csv": "id, type, name, filename, size_bytes, version, versions, status, state, decision, "
    "owner_id, owner, uploader_id, uploader, uploaded_at, deadline, folder, tags, pages",
    "recipients.csv": "id, proof_id, version, name, email, role, decision, decided_at, deadline",
    "comments.csv": "id, proof_id, version, page, author_id, author, comment, created_at, responses_count",
    "comment_responses.csv": "id, comment_id, proof_id, version, author_id, author, response, created_at",
}


def test_the_columns_are_those_that_customers_were_told() -> None:
    catalogue = {table.member: ", ".join(column.name for column in table.columns) for table in TABLES}
    assert catalogue == COLUMNS


def test_the_members_stand_in_the_archives_order() -> None:
    assert (*COLUMNS, "backup.xml", "manifest.json") == MEMBERS


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_a_query_asks_for_the_columns_the_key_the_creation_and_the_status_only(table: Table) -> None:
    allowed = {column.attribute for column in table.columns} | {"sk", "created_at"}
    assert set(table.placeholders.values()) <= allowed
    assert {column.attribute for column in table.columns} <= set(table.placeholders.values())
    assert not {"api_token", "password_hash", "personal_url"} & set(table.placeholders.values())


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_no_attribute_is_projected_twice_or_without_a_placeholder(table: Table) -> None:
    assert len(set(table.placeholders.values())) == len(table.placeholders)
    assert table.projection.split(",") == list(table.placeholders)
    assert all(name.startswith("#") for name in table.placeholders)


def test_ids_moments_and_addresses_are_never_guarded_and_every_other_text_is() -> None:
    typed = {column.name for table in TABLES for column in table.columns if column.kind is Kind.TYPED}
    assert typed == {
        "author_id", "comment_id", "created_at", "deadline", "decided_at", "email", "id", "owner_id", "page",
        "pages", "proof_id", "responses_count", "size_bytes", "uploaded_at", "uploader_id", "version",
        "versions",
    }  # fmt: skip
