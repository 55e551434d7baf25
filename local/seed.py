"""An account's records, as its product would have left them in the source table: the same for the same
Account and moment, with everything in it that an export can stumble over (`local.odd_text`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import chain, count, islice
from random import Random
from time import sleep
from typing import Any, Protocol

from boto3.dynamodb.types import TypeSerializer

from local import prose
from local.odd_text import ODD

Item = dict[str, Any]
Record = tuple[str, Item]
"""Which table (the last part of the partition key: "FILES", …), and the item as plain values."""

ROLES = ("read only", "reviewer", "approver", "reviewer & approver", "author", "moderator")
DECISIONS = (
    "pending",
    "changes required",
    "not approved",
    "approved with changes",
    "approved",
    "not relevant",
)
STRANGE_SIZES = (
    Decimal("1E+20"),
    Decimal("12345678901234567890123456789012345678"),
    Decimal("2.1E-5"),
    Decimal(0),
)
BATCH = 25  # https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchWriteItem.html


class Prose(Protocol):
    """Who writes the account's texts: the module `prose`, or another one."""

    def comment(self, random: Random, /) -> str: ...

    def sentence(self, random: Random, /) -> str: ...


@dataclass(frozen=True)
class Account:
    """What to make: `proofs` proofs with about `comments` comments, and uploaded files beside them."""

    id: str = "9789"
    name: str = "Zürich & Søn – Agency"
    plan: str = "enterprise"
    encoding: str = "utf-8"
    proofs: int = 30
    comments: int = 1500
    seed: int = 1


def settings(account: Account) -> Item:
    """The account's record in the service's own table."""
    return {
        "pk": f"ACCOUNT#{account.id}",
        "sk": "SETTINGS",
        "account_id": account.id,
        "name": account.name,
        "plan": account.plan,
        "encoding": account.encoding,
    }


def records(account: Account, now: datetime, texts: Prose = prose) -> Iterator[Record]:
    """All records of the account, in the order of their keys, each created before `now` but for one
    comment of tomorrow."""
    return _Writer(account, now, texts).records()


def write(client: Any, table: str, items: Iterable[Item], threads: int = 4) -> int:
    """Writes plain items into the table; returns how many. Holds some hundred items at a time."""
    serialize = TypeSerializer().serialize
    source = iter(items)
    written = 0
    with ThreadPoolExecutor(threads) as pool:
        while batches := [batch for _ in range(threads * 4) if (batch := list(islice(source, BATCH)))]:
            requests = [
                [
                    {"PutRequest": {"Item": {name: serialize(value) for name, value in item.items()}}}
                    for item in batch
                ]
                for batch in batches
            ]
            for _ in pool.map(lambda request: _write_batch(client, table, request), requests):
                pass
            written += sum(map(len, batches))
    return written


def take_away(client: Any, table: str, keys: Iterable[tuple[str, str]]) -> None:
    """Deletes the items with these pairs of pk and sk; those that are not there, too."""
    for pk, sk in keys:
        client.delete_item(TableName=table, Key={"pk": {"S": pk}, "sk": {"S": sk}})


def _write_batch(client: Any, table: str, requests: list[Any]) -> None:
    pause = 0.05
    while requests:
        answer = client.batch_write_item(RequestItems={table: requests})
        requests = answer["UnprocessedItems"].get(table, [])
        if requests:
            sleep(pause)
            pause = min(pause * 2, 5)


class _Writer:
    """One run over one account: the random generator, and the numbers given out so far."""

    def __init__(self, account: Account, now: datetime, texts: Prose) -> None:
        self.account = account
        self.texts = texts
        self.now = now.replace(microsecond=0)
        self.random = Random(account.seed)  # noqa: S311  not for secrets
        self.recipient_ids = count(40_001)
        self.comment_ids = count(700_001)
        self.response_ids = count(5_000_001)
        self.odd = iter(ODD)
        self.strange_sizes = iter(STRANGE_SIZES)
        self.users = [(101 + 7 * number, prose.name(self.random)) for number in range(14)]

    def records(self) -> Iterator[Record]:
        yield self._record(
            "ORGANISATION", f"{int(self.account.id):012d}", id=int(self.account.id), name=self.account.name
        )
        yield from self._users()
        yield from self._contacts()
        for number in range(self.account.proofs):
            yield from self._proof(100_200 + 3 * number, number)
            if number % 5 == 2:
                yield self._uploaded_file(100_201 + 3 * number, number)

    def _record(self, table: str, sort_key: str, **attributes: object) -> Record:
        # None is an attribute that the record does not have.
        keys = {"pk": f"ACCOUNT#{self.account.id}#{table}", "sk": sort_key}
        return table, keys | {name: value for name, value in attributes.items() if value is not None}

    def _users(self) -> Iterator[Record]:
        for number, (user_id, name) in enumerate(self.users):
            yield self._record(
                "USERS",
                f"{user_id:012d}",
                id=user_id,
                name=name,
                email=f"user{user_id}@example.com",
                position=(None, "", "Art director", "Produktionsleitung", "+Head of @everything", "редактор")[
                    number % 6
                ],
                status="inactive" if number == 9 else "active",
                created_at=self._text(self._moment(3000)),
                # None of these may ever leave the source.
                password_hash=f"SECRET-password-{user_id}",
                api_token=f"SECRET-token-{user_id}",
                personal_url=f"https://example.com/SECRET-url/{user_id}",
            )

    def _contacts(self) -> Iterator[Record]:
        for number in range(40):
            contact_id = 9_001 + 11 * number
            yield self._record(
                "CONTACTS",
                f"{contact_id:012d}",
                id=contact_id,
                name="=2+5" if number == 3 else prose.name(self.random),
                organisation=(None, "", *prose.COMPANIES)[number % 12],
                email=f"contact{contact_id}@example.org",
            )

    def _proof(self, proof_id: int, number: int) -> Iterator[Record]:
        versions = (3, 1, 2, 1, 4, 2)[number % 6]
        status = (
            "trashed" if number == 4 or number % 40 == 39 else "archived" if number % 7 == 3 else "active"
        )
        name = "@proof of a formula" if number == 6 else prose.title(self.random)
        folder = (None, "", "Clients/Northwind", "Каталоги/2026", "＝Ablage", "クライアント")[number % 6]
        owner = self.random.choice(self.users)
        begun = self._moment(700)
        future = number == 0  # its first version has the comment of tomorrow
        wanted = self.account.comments * (number + 1) // self.account.proofs
        wanted -= self.account.comments * number // self.account.proofs
        for version in range(1, versions + 1):
            key = f"{proof_id:012d}#{version:06d}"
            uploaded = min(
                begun + timedelta(days=9 * (version - 1)), self.now - timedelta(hours=versions - version + 1)
            )
            yield self._file(
                key,
                proof_id,
                "proof",
                version,
                versions,
                status,
                uploaded,
                name=name,
                folder=folder,
                owner=owner,
                state="locked" if version < versions else "open",
                decision=DECISIONS[number % 6] if version == versions else "changes required",
                pages=self.random.randint(1, 64),
            )
            people = [self.random.choice(self.users) for _ in range(self.random.randint(2, 7))]
            yield from self._recipients(key, proof_id, version, uploaded, people)
            share = wanted * version // versions - wanted * (version - 1) // versions
            yield from self._threads(key, proof_id, version, uploaded, share, future=future and version == 1)

    def _uploaded_file(self, file_id: int, number: int) -> Record:
        return self._file(
            f"{file_id:012d}#{1:06d}",
            file_id,
            "file",
            1,
            1,
            "trashed" if number == 22 else "active",
            self._moment(500),
            name=f"Vorlage {file_id}",
            folder="Vorlagen",
            owner=self.random.choice(self.users),
            pages=None,
            decision=None,
            state="open",
        )

    def _file(
        self,
        key: str,
        file_id: int,
        kind: str,
        version: int,
        versions: int,
        status: str,
        uploaded: datetime,
        *,
        name: str,
        folder: str | None,
        owner: tuple[int, str],
        **more: object,
    ) -> Record:
        uploader = self.random.choice(self.users)
        tags = (None, ["print"], {"web", "2026", "=urgent"}, ["été", "to be checked, twice", "-wip"], [])[
            file_id % 5
        ]
        deadline = uploaded + timedelta(days=14) if self.random.random() < 0.7 else None
        size = next(self.strange_sizes, self.random.randint(20_000, 900_000_000))
        return self._record(
            "FILES",
            key,
            id=file_id,
            type=kind,
            name=name,
            size_bytes=size,
            version=version,
            versions=versions,
            filename=f"{name.replace(' ', '_')}_v{version}.{'pdf' if kind == 'proof' else 'indd'}",
            status=status,
            owner_id=owner[0],
            owner=owner[1],
            uploader_id=uploader[0],
            uploader=uploader[1],
            uploaded_at=self._text(uploaded),
            deadline=deadline and self._text(deadline),
            folder=folder,
            tags=tags,
            personal_url=f"https://example.com/SECRET-url/{file_id}",
            **more,
        )

    def _recipients(
        self, key: str, proof_id: int, version: int, uploaded: datetime, people: list[tuple[int, str]]
    ) -> Iterator[Record]:
        for user_id, name in people:
            recipient_id = next(self.recipient_ids)
            decision = self.random.choice(DECISIONS)
            decided = None if decision == "pending" else self._text(self._after(uploaded))
            yield self._record(
                "RECIPIENTS",
                f"{key}#{recipient_id:012d}",
                id=recipient_id,
                proof_id=proof_id,
                version=version,
                name=name,
                email=f"user{user_id}@example.com",
                role=self.random.choice(ROLES),
                decision=decision,
                decided_at=decided,
                deadline=self._text(uploaded + timedelta(days=7)),
                personal_url=f"https://example.com/SECRET-url/{recipient_id}",
                api_token=f"SECRET-token-{recipient_id}",
            )

    def _threads(
        self, key: str, proof_id: int, version: int, uploaded: datetime, comments: int, *, future: bool
    ) -> Iterator[Record]:
        """The comments, then their responses: each table in the order of its keys."""
        responses: list[Iterator[Record]] = []
        for number in range(comments):
            comment_id = next(self.comment_ids)
            author = self.random.choice(self.users)
            created = self._after(uploaded)
            answers = self.random.choices((0, 1, 2, 4), (50, 30, 14, 6))[0]
            if comment_id % 97 == 5:
                text: str | None = ("", None)[comment_id % 2]
            else:
                text = next(self.odd, None) if number % 2 else None
                text = text or self.texts.comment(self.random)
            yield self._record(
                "COMMENTS",
                f"{key}#{comment_id:012d}",
                id=comment_id,
                proof_id=proof_id,
                version=version,
                page=self.random.randint(1, 64) if number % 9 else None,
                author_id=author[0],
                author=author[1],
                comment=text,
                created_at=self._text(created),
                responses_count=answers,
                personal_url=f"https://example.com/SECRET-url/{comment_id}",
            )
            responses.append(self._responses(key, proof_id, version, comment_id, created, answers))
        if future:
            comment_id = next(self.comment_ids)
            yield self._record(
                "COMMENTS",
                f"{key}#{comment_id:012d}",
                id=comment_id,
                proof_id=proof_id,
                version=version,
                author_id=1,
                author="Tomorrow",
                comment="SECRET-future",
                responses_count=0,
                created_at=self._text(self.now + timedelta(days=1)),
            )
        yield from chain.from_iterable(responses)

    def _responses(
        self, key: str, proof_id: int, version: int, comment_id: int, created: datetime, answers: int
    ) -> Iterator[Record]:
        for _ in range(answers):
            created = self._after(created)
            response_id = next(self.response_ids)
            author = self.random.choice(self.users)
            yield self._record(
                "RESPONSES",
                f"{key}#{comment_id:012d}#{response_id:012d}",
                id=response_id,
                comment_id=comment_id,
                proof_id=proof_id,
                version=version,
                author_id=author[0],
                author=author[1],
                response=self.texts.sentence(self.random),
                created_at=self._text(created),
            )

    def _moment(self, days: int) -> datetime:
        """Some moment of the last so many days, but not of the last ten, so that replies fit in."""
        return self.now - timedelta(days=10) - timedelta(seconds=self.random.randint(0, days * 86_400))

    def _after(self, moment: datetime) -> datetime:
        """Some moment of the days after that one, to the millisecond, and not after now."""
        later = moment + timedelta(milliseconds=self.random.randint(60_000, 6 * 86_400_000))
        return min(later, self.now - timedelta(minutes=1)) if later > self.now else later

    def _text(self, moment: datetime) -> str:
        precision = "milliseconds" if moment.microsecond else "seconds"
        return moment.isoformat(timespec=precision).replace("+00:00", "Z")
