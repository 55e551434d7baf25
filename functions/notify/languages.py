"""The languages that mails are written in: one file each in `languages/`, English where there is none."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DEFAULT = "en"
DIRECTORY = Path(__file__).parent / "languages"

_PRIMARY = re.compile(r"([A-Za-z]{2,3})(?![A-Za-z0-9])")  # the `nl` of `nl-BE` and `nl_BE`, RFC 5646


@dataclass(frozen=True)
class Language:
    code: str
    words: Mapping[str, Any]

    def says(self, key: str) -> str:
        """The sentence under a dotted key, such as `ready.subject`, on one line. Raises KeyError."""
        found: Any = self.words
        for step in key.split("."):
            found = found[step]
        return " ".join(str(found).split())


class Languages:
    """All files of `directory`, read once: what a client asks for is looked up among them, never a path."""

    def __init__(self, directory: Path = DIRECTORY) -> None:
        self._by_code = {
            file.stem: Language(file.stem, tomllib.loads(file.read_text("utf-8")))
            for file in sorted(directory.glob("*.toml"))
        }

    @property
    def codes(self) -> list[str]:
        return list(self._by_code)

    def best(self, wanted: str) -> Language:
        """The language of a tag such as `nl` or `nl-BE`; English for one that is unknown or no tag."""
        primary = _PRIMARY.match(wanted)
        code = primary[1].lower() if primary else DEFAULT
        return self._by_code.get(code, self._by_code[DEFAULT])
