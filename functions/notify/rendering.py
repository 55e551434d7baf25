"""Mails as plain text and as HTML."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from functions.notify.columns import wrapped
from functions.notify.mail import Anchor, Block, Button, Facts, Footer, Mail, Sentence

WIDTH = 72  # leaves room for a quoting sign or two before clients break at 78

_templates = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


@dataclass(frozen=True)
class Letter:
    """A mail as it is sent. It holds a download link: it goes to its reader and into no log."""

    subject: str
    text: str
    html: str


def letter_of(mail: Mail) -> Letter:
    return Letter(_line_of(mail.subject), _text_of_mail(mail), _html_of(mail))


def _line_of(sentence: Sentence) -> str:
    return sentence.words.format_map(sentence.fields)


def _text_of_mail(mail: Mail) -> str:
    """Lines of at most WIDTH columns, but for links: a link that is broken is no link."""
    return "\n\n".join(_text_of(block) for block in mail.blocks) + "\n"


def _text_of(block: Block) -> str:
    match block:
        case Facts(lines):
            return "\n".join(_wrapped(line) for line in lines)
        case Button(label, url) | Anchor(label, url):
            return f"{_wrapped(label)}\n{url}"
        case Footer(sentence):
            return f"-- \n{_wrapped(sentence)}"  # RFC 3676 section 4.3: what follows is not the message
        case Sentence():
            return _wrapped(block)


def _wrapped(sentence: Sentence) -> str:
    return wrapped(_line_of(sentence), WIDTH)


def _html_of(mail: Mail) -> str:
    """A page without anything that is fetched from elsewhere: most clients ask before they do."""
    return _templates.get_template("mail.html.j2").render(
        language=mail.language,
        direction=mail.direction,
        subject=_line_of(mail.subject),
        blocks=[(type(block).__name__, block) for block in mail.blocks],
        markup_of=_markup_of,
    )


def _markup_of(sentence: Sentence, element: str = "span") -> Markup:
    """The sentence with each field escaped and, for names in other scripts, a direction of its own."""
    field = Markup('<{0} dir="auto">{{}}</{0}>').format(element)
    fields = {name: field.format(value) for name, value in sentence.fields.items()}
    return escape(sentence.words).format_map(fields)
