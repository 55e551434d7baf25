"""The encodings that an account may choose for its CSV files, by canonical name.

A closed list, in the order in which the tab offers it. A user's text is compared with these names and
never handed to `codecs.lookup`, which also knows rot13, idna and EBCDIC. How each is written is the
business of the export alone.
"""

from typing import Final

DEFAULT_ENCODING: Final = "utf-8"

ENCODING_NAMES: Final[tuple[str, ...]] = (
    DEFAULT_ENCODING,
    "utf-8-sig",
    "utf-16",
    "iso-8859-1",
    "iso-8859-15",
    "windows-1250",
    "windows-1251",
    "windows-1252",
    "shift_jis",
    "gb18030",
    "big5",
    "euc-kr",
)
