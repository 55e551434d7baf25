"""What the two mails say.

A mail is a list of blocks, said once and rendered twice (`rendering`), so that text and HTML cannot tell
different things. Fields of sentences are kept apart from the sentences until then: what HTML must escape
and what a language file wrote are never mixed before it is known which is which.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from functions.notify.forms import Forms
from functions.notify.names import name_of
from shared.backup import Backup, Reason, State
from shared.languages import Language
from shared.link import Link

LONGEST_FILE_NAME = 120
ESCAPE_EXAMPLE = r"\u{1F600}"  # as the archive's manifest has it


@dataclass(frozen=True)
class Sentence:
    """Words of a language file with `{fields}`, and what stands in them."""

    words: str
    fields: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Facts:
    """Lines of a label and a `{value}` each."""

    lines: Sequence[Sentence]


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
    """One mail, before it is text and HTML. `language` is an ISO 639-1 code, `direction` ltr or rtl."""

    subject: Sentence
    language: str
    direction: str
    blocks: Sequence[Block]


def ready_mail(backup: Backup, link: Link, language: Language, *, product: str, tab_url: str) -> Mail:
    """The mail of a ready backup: what it is, the link and its end, and where there are fresh links."""
    if backup.state is not State.READY or backup.bytes is None or backup.expires_at is None:
        raise ValueError("only a ready backup has a file, with a size and an end")
    forms = Forms(language, backup.requested_by.language)
    names = {"product": name_of(product)}
    size, deleted = forms.size(backup.bytes), forms.moment(backup.expires_at)
    blocks: list[Block] = [
        _greeting(backup, language),
        Sentence(language.says("mail.ready.opening"), names),
        _facts(
            language,
            file=name_of(backup.file_name, LONGEST_FILE_NAME),
            size=size,
            snapshot=forms.moment(backup.snapshot_at),
            deleted=deleted,
        ),
    ]
    if backup.replaced:
        replaced = {
            "count": forms.count(backup.replaced),
            "encoding": name_of(backup.encoding),
            "example": ESCAPE_EXAMPLE,
        }
        blocks.append(Sentence(language.says("mail.ready.replaced"), replaced))
    blocks += [
        Button(Sentence(language.says("mail.ready.download"), {"size": size}), link.url),
        Sentence(language.says("mail.ready.link_ends"), {"link_ends": forms.moment(link.ends_at)}),
        Sentence(language.says("mail.ready.fresh_link"), {"deleted": deleted}),
        Anchor(Sentence(language.says("mail.tab")), _at(tab_url, backup)),
        Footer(Sentence(language.says("mail.footer"), names)),
    ]
    subject = Sentence(language.says("mail.ready.subject"), names)
    return Mail(subject, language.code, forms.direction, blocks)


def failure_mail(backup: Backup, language: Language, *, product: str, tab_url: str) -> Mail:
    """The mail of a failed backup: why, that nothing is lost, and where to request a new one."""
    if backup.state is not State.FAILED:
        raise ValueError("only of a failed backup can be said why it failed")
    forms = Forms(language, backup.requested_by.language)
    names = {"product": name_of(product)}
    reason = backup.failure.reason if backup.failure else Reason.INTERNAL
    why = {"reason": language.says(f"reasons.{reason.value}")}
    blocks: list[Block] = [
        _greeting(backup, language),
        Sentence(language.says("mail.failure.opening"), names),
        Sentence(language.says("mail.failure.happened"), why),
        Sentence(language.says("mail.failure.comfort")),
        Button(Sentence(language.says("mail.tab")), _at(tab_url, backup)),
        _facts(language, requested=forms.moment(backup.requested_at), reference=backup.id),
        Footer(Sentence(language.says("mail.footer"), names)),
    ]
    subject = Sentence(language.says("mail.failure.subject"), names)
    return Mail(subject, language.code, forms.direction, blocks)


def _greeting(backup: Backup, language: Language) -> Sentence:
    name = name_of(backup.requested_by.name)
    return Sentence(language.says("mail.greeting" if name else "mail.greeting_nameless"), {"name": name})


def _facts(language: Language, **values: str) -> Facts:
    return Facts(
        [Sentence(language.says(f"mail.facts.{key}"), {"value": value}) for key, value in values.items()]
    )


def _at(tab_url: str, backup: Backup) -> str:
    """The tab's address, pointing at this backup."""
    return f"{tab_url}{'&' if '?' in tab_url else '?'}backup={backup.id}"
