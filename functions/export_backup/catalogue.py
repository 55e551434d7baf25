"""What leaves an account: the tables, their columns, and where the source keeps them.

This is the one file that an operator changes whose records look different. The columns are an
allow-list: they are also the projection of every query, so that an attribute that is not named here
(a token, a password hash, a personal link) is never even read.
"""

from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from typing import Final

Cell = str | None | tuple[str, ...]
"""One value of a record: its text, None where the record has none, a tuple in a LIST column."""

Row = tuple[Cell, ...]
"""One record, its cells in the order of its table's columns."""


class Kind(Enum):
    TEXT = "text"
    """What people wrote or chose: guarded in CSV against being run as a formula."""

    TYPED = "typed"
    """Ids, numbers, moments, e-mail addresses: never altered, `-5` and `+49 30` are what they are."""

    LIST = "list"
    """Several texts: joined and guarded in CSV, one element each in XML."""


@dataclass(frozen=True)
class Column:
    name: str
    """The CSV header and the XML element."""

    attribute: str
    """The record's attribute at the source."""

    kind: Kind

    item: str = "item"
    """The XML element of one text of a LIST column."""


@dataclass(frozen=True)
class Table:
    name: str
    """The last part of the source's partition key."""

    member: str
    """The CSV file in the archive."""

    element: str
    """The XML element of one record."""

    columns: tuple[Column, ...]

    key_parts: int
    """Of how many numbers, joined by `#`, a record's sort key consists."""

    created: str | None = None
    """The attribute with the moment of creation; a record without it counts as old."""

    status: str | None = None
    """The attribute that says whether the record lies in the trash."""

    @cached_property
    def placeholders(self) -> dict[str, str]:
        """Attribute by placeholder, each attribute once: DynamoDB refuses a path named twice, and bare
        names that it has reserved (`name`, `status`, `type`, …)."""
        wanted = [SORT_KEY, self.created, self.status, *(column.attribute for column in self.columns)]
        attributes = dict.fromkeys(attribute for attribute in wanted if attribute is not None)
        return {f"#a{number}": attribute for number, attribute in enumerate(attributes)}

    def position(self, name: str) -> int:
        """At which place of a row the column of that name stands."""
        return [column.name for column in self.columns].index(name)

    @cached_property
    def projection(self) -> str:
        """The ProjectionExpression that reads the columns and what the export itself needs, no more."""
        return ",".join(self.placeholders)


PARTITION_KEY: Final = "pk"
SORT_KEY: Final = "sk"
TRASHED: Final = "trashed"

_TEXT, _TYPED, _LIST = Kind.TEXT, Kind.TYPED, Kind.LIST

ORGANISATION: Final = Table(
    name="ORGANISATION",
    member="organisation.csv",
    element="organisation",
    key_parts=1,
    columns=(
        Column("id", "id", _TYPED),
        Column("name", "name", _TEXT),
    ),
)

USERS: Final = Table(
    name="USERS",
    member="users.csv",
    element="user",
    key_parts=1,
    created="created_at",
    columns=(
        Column("id", "id", _TYPED),
        Column("name", "name", _TEXT),
        Column("email", "email", _TYPED),
        Column("position", "position", _TEXT),
        Column("status", "status", _TEXT),
    ),
)

CONTACTS: Final = Table(
    name="CONTACTS",
    member="contacts.csv",
    element="contact",
    key_parts=1,
    created="created_at",
    columns=(
        Column("id", "id", _TYPED),
        Column("name", "name", _TEXT),
        Column("organisation", "organisation", _TEXT),
        Column("email", "email", _TYPED),
    ),
)

FILES: Final = Table(
    name="FILES",
    member="files.csv",
    element="version",
    key_parts=2,
    created="uploaded_at",
    status="status",
    columns=(
        Column("id", "id", _TYPED),
        Column("type", "type", _TEXT),
        Column("name", "name", _TEXT),
        Column("filename", "filename", _TEXT),
        Column("size_bytes", "size_bytes", _TYPED),
        Column("version", "version", _TYPED),
        Column("versions", "versions", _TYPED),
        Column("status", "status", _TEXT),
        Column("state", "state", _TEXT),
        Column("decision", "decision", _TEXT),
        Column("owner_id", "owner_id", _TYPED),
        Column("owner", "owner", _TEXT),
        Column("uploader_id", "uploader_id", _TYPED),
        Column("uploader", "uploader", _TEXT),
        Column("uploaded_at", "uploaded_at", _TYPED),
        Column("deadline", "deadline", _TYPED),
        Column("folder", "folder", _TEXT),
        Column("tags", "tags", _LIST, item="tag"),
        Column("pages", "pages", _TYPED),
    ),
)

RECIPIENTS: Final = Table(
    name="RECIPIENTS",
    member="recipients.csv",
    element="recipient",
    key_parts=3,
    created="created_at",
    columns=(
        Column("id", "id", _TYPED),
        Column("proof_id", "proof_id", _TYPED),
        Column("version", "version", _TYPED),
        Column("name", "name", _TEXT),
        Column("email", "email", _TYPED),
        Column("role", "role", _TEXT),
        Column("decision", "decision", _TEXT),
        Column("decided_at", "decided_at", _TYPED),
        Column("deadline", "deadline", _TYPED),
    ),
)

COMMENTS: Final = Table(
    name="COMMENTS",
    member="comments.csv",
    element="comment",
    key_parts=3,
    created="created_at",
    columns=(
        Column("id", "id", _TYPED),
        Column("proof_id", "proof_id", _TYPED),
        Column("version", "version", _TYPED),
        Column("page", "page", _TYPED),
        Column("author_id", "author_id", _TYPED),
        Column("author", "author", _TEXT),
        Column("comment", "comment", _TEXT),
        Column("created_at", "created_at", _TYPED),
        Column("responses_count", "responses_count", _TYPED),
    ),
)

RESPONSES: Final = Table(
    name="RESPONSES",
    member="comment_responses.csv",
    element="response",
    key_parts=4,
    created="created_at",
    columns=(
        Column("id", "id", _TYPED),
        Column("comment_id", "comment_id", _TYPED),
        Column("proof_id", "proof_id", _TYPED),
        Column("version", "version", _TYPED),
        Column("author_id", "author_id", _TYPED),
        Column("author", "author", _TEXT),
        Column("response", "response", _TEXT),
        Column("created_at", "created_at", _TYPED),
    ),
)

ACCOUNT_TABLES: Final = (ORGANISATION, USERS, CONTACTS)
"""What belongs to the account as a whole; the first unit writes it."""

PROOF_TABLES: Final = (FILES, RECIPIENTS, COMMENTS, RESPONSES)
"""What belongs to a proof, its id first in the sort key; every unit writes its range."""

TABLES: Final = ACCOUNT_TABLES + PROOF_TABLES

XML_MEMBER: Final = "backup.xml"
MANIFEST_MEMBER: Final = "manifest.json"

DATA_MEMBERS: Final = (*(table.member for table in TABLES), XML_MEMBER)
"""What units write, in the archive's order."""

MEMBERS: Final = (*DATA_MEMBERS, MANIFEST_MEMBER)
"""All members of an archive, in order."""


def partition(account_id: str, table: Table) -> str:
    """The source's partition key of one table of one account."""
    return f"ACCOUNT#{account_id}#{table.name}"
