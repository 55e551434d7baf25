"""What the two mails say.

A mail is a list of blocks, said once and rendered twice (`rendering`), so that text and HTML cannot tell
different things. Fields of sentences are kept apart from the sentences until then: what HTML must escape
and what a language file wrote are never mixed before it is known which is which.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from functions.notify.languages import Language
from functions.notify.wording import moment, name_of, size
from shared.backup import Backup, Reason
from shared.link import Link

LONGEST_FILE_NAME = 120


@dataclass(frozen=True)
class Sentence:
    """Words of a language file with `{fields}`, and what stands in them."""

    words: str
    fields: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Facts:
    """Label and value, line by line."""

    lines: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Button:
    """Where the reader is meant to go."""

    label: Sentence
    url: str


@dataclass(frozen=True)
class Anchor:
    """Where the reader may go instead."""

    label: Sentence
    url: str


@dataclass(frozen=True)
class Footer:
    sentence: Sentence


Block = Sentence | Facts | Button | Anchor | Footer


@dataclass(frozen=True)
class Mail:
    """One mail, before it is text and HTML. `language` is an ISO 639-1 code."""

    subject: Sentence
    language: str
    blocks: Sequence[Block]


def ready_mail(backup: Backup, link: Link, language: Language, *, product: str, tab_url: str) -> Mail:
    """The mail of a ready backup: what it is, the link and its end, and where there are fresh links."""
    if backup.bytes is None or backup.expires_at is None:
        raise ValueError("a ready backup has a size and an end")
    names = {"product": name_of(product)}
    deleted = moment(backup.expires_at)
    blocks: list[Block] = [
        _greeting(backup, language),
        Sentence(language.says("ready.opening"), names),
        Facts(
            [
                (language.says("facts.file"), name_of(backup.file_name, LONGEST_FILE_NAME)),
                (language.says("facts.size"), size(backup.bytes)),
                (language.says("facts.snapshot"), moment(backup.snapshot_at)),
                (language.says("facts.deleted"), deleted),
            ]
        ),
    ]
    if backup.replaced:
        key = "ready.replaced_one" if backup.replaced == 1 else "ready.replaced_other"
        fields = {"count": str(backup.replaced), "encoding": name_of(backup.encoding)}
        blocks.append(Sentence(language.says(key), fields))
    blocks += [
        Button(Sentence(language.says("ready.download"), {"size": size(backup.bytes)}), link.url),
        Sentence(language.says("ready.link_ends"), {"link_ends": moment(link.ends_at)}),
        Sentence(language.says("ready.fresh_link"), {"deleted": deleted}),
        Anchor(Sentence(language.says("tab")), tab_url),
        Footer(Sentence(language.says("footer"), names)),
    ]
    return Mail(Sentence(language.says("ready.subject"), names), language.code, blocks)


def failure_mail(backup: Backup, language: Language, *, product: str, tab_url: str) -> Mail:
    """The mail of a failed backup: why, that nothing is lost, and where to request a new one."""
    names = {"product": name_of(product)}
    reason = backup.failure.reason if backup.failure else Reason.INTERNAL
    blocks: list[Block] = [
        _greeting(backup, language),
        Sentence(language.says("failure.opening"), names),
        Sentence(language.says(f"failure.reasons.{reason.value}")),
        Sentence(language.says("failure.comfort")),
        Button(Sentence(language.says("tab")), tab_url),
        Facts(
            [
                (language.says("facts.requested"), moment(backup.requested_at)),
                (language.says("facts.reference"), backup.id),
            ]
        ),
        Footer(Sentence(language.says("footer"), names)),
    ]
    return Mail(Sentence(language.says("failure.subject"), names), language.code, blocks)


def _greeting(backup: Backup, language: Language) -> Sentence:
    name = name_of(backup.requested_by.name)
    return Sentence(language.says("greeting" if name else "greeting_nameless"), {"name": name})
