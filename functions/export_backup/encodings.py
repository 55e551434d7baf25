"""How each encoding of the closed list is written, and which characters it cannot hold."""

import re
from dataclasses import dataclass
from functools import cache, lru_cache

from shared.encodings import ENCODING_NAMES

_CODECS = {"utf-8-sig": "utf-8", "utf-16": "utf-16-le"}  # the BOM is ours to write, once per file
_BOMS = {"utf-8-sig": b"\xef\xbb\xbf", "utf-16": b"\xff\xfe"}


@dataclass(frozen=True)
class Encoding:
    name: str
    codec: str
    """Python's name for it, without BOM."""
    bom: bytes
    misread: re.Pattern[str] | None
    """The characters that this codec takes and that do not come back."""

    def encode(self, text: str) -> bytes:
        """Raises UnicodeEncodeError where a character cannot be held, also where the codec itself
        would write another one without a word."""
        if self.misread is not None and (found := self.misread.search(text)):
            raise UnicodeEncodeError(self.name, text, found.start(), found.end(), "does not come back")
        return text.encode(self.codec)

    def holds(self, character: str) -> bool:
        return _holds(self.name, character)


@cache
def encoding(name: str) -> Encoding:
    """The encoding of that canonical name. Raises KeyError for a name that is not on the list."""
    if name not in ENCODING_NAMES:
        raise KeyError(name)
    misread = _misread_of(name)
    return Encoding(
        name=name,
        codec=_CODECS.get(name, name),
        bom=_BOMS.get(name, b""),
        misread=re.compile(f"[{misread}]") if misread else None,
    )


def _misread_of(name: str) -> str:
    """Characters that this codec of Python encodes without an error and no reader gives back (every other
    character of every encoding on the list was tried, see the tests)."""
    if name == "shift_jis":
        return "\u00a5\u203e"  # come back as a backslash and a tilde
    if name != "euc-kr":
        return ""
    # Hangul filler, and the syllables beyond KS X 1001, which Python spells as a filler and three
    # letters: eight bytes that Excel, browsers and iconv read as four characters.
    syllables = map(chr, range(0xAC00, 0xD7A4))
    return "\u3164" + "".join(syllable for syllable in syllables if len(syllable.encode("euc-kr")) > 2)


@lru_cache(maxsize=4096)
def _holds(name: str, character: str) -> bool:
    try:
        encoding(name).encode(character)
    except UnicodeEncodeError:
        return False
    return True
