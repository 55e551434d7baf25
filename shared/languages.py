"""The languages of the page and of the mails: one file each in `languages/`, English where there is none."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DEFAULT = "en"
DIRECTORY = Path(__file__).parent / "languages"

_PRIMARY = re.compile(r"([A-Za-z]{2,3})(?![A-Za-z0-9])")  # the `nl` of `nl-BE` and `nl_BE`, RFC 5646
# Language, script and region; what follows them, such as a calendar, is not followed.
_PLACE = re.compile(r"([A-Za-z]{2,3})(?:[-_]([A-Za-z]{4}))?[-_]([A-Za-z]{2}|[0-9]{3})(?![A-Za-z0-9])")
_LAID_OUT = re.compile(r"[ \t\r\n]+")  # not \s, and not str.split: French keeps its no-break spaces


@dataclass(frozen=True)
class Language:
    """One file. `code` is its name, an ISO 639 code; `words` are its tables, as TOML has them."""

    code: str
    words: Mapping[str, Any]

    def forms_for(self, tag: str = "") -> str:
        """Whose dates and numbers a reader of that tag expects, as a tag: `de-AT` for `de_at`.

        The file's own, such as `en-GB`, where the tag names no region or is of another language.
        """
        place = _PLACE.match(tag)
        if place is None or place[1].lower() != self.code:
            return str(self.words["locale"])
        script = [place[2].title()] if place[2] else []
        return "-".join([self.code, *script, place[3].upper()])

    def table(self, name: str) -> dict[str, Any]:
        """A table with its sentences on one line each. Raises KeyError."""
        table: dict[str, Any] = _on_one_line(self.words[name])
        return table

    def says(self, key: str) -> str:
        """The sentence under a dotted key, such as `mail.ready.subject`, on one line. Raises KeyError."""
        found: Any = self.words
        for step in key.split("."):
            found = found[step]
        return str(_on_one_line(found))


class Languages:
    """The files of `directory`: what a client asks for is looked up among them, never a path.

    Each is read when it is first wanted, and kept: a Lambda that begins waits for one language, not for all.
    """

    def __init__(self, directory: Path = DIRECTORY) -> None:
        self._files = {file.stem: file for file in sorted(directory.glob("*.toml"))}
        self._read: dict[str, Language] = {}

    @property
    def codes(self) -> list[str]:
        return list(self._files)

    def best(self, wanted: str) -> Language:
        """The language of a tag such as `nl` or `nl-BE`; English for one that is unknown or no tag."""
        return self.chosen([wanted])[0]

    def chosen(self, wanted: Iterable[str]) -> tuple[Language, str]:
        """The language of the first tag that there is a file for, and that tag; else English and its code."""
        for tag in wanted:
            primary = _PRIMARY.match(tag)
            if primary and primary[1].lower() in self._files:
                return self._language(primary[1].lower()), tag
        return self._language(DEFAULT), DEFAULT

    def _language(self, code: str) -> Language:
        if code not in self._read:
            self._read[code] = Language(code, tomllib.loads(self._files[code].read_text("utf-8")))
        return self._read[code]


def _on_one_line(words: Any) -> Any:
    """A sentence, or all sentences of a table or list, without the line breaks of the file."""
    if isinstance(words, Mapping):
        return {key: _on_one_line(value) for key, value in words.items()}
    if isinstance(words, list):
        return [_on_one_line(value) for value in words]
    return _LAID_OUT.sub(" ", words).strip(" ")
