"""An archive's members read the way their recipient would: with a CSV reader, an XML parser, and the
two rules of the manifest undone."""

import csv
import io
import re
from pathlib import Path
from typing import Any

from lxml import etree  # type: ignore[import-untyped]

XSD = Path(__file__).parent.parent / "functions" / "export_backup" / "backup.xsd"

_CODECS = {"utf-16": "utf-16", "utf-8-sig": "utf-8-sig"}  # both take the BOM away


def undo_escape(text: str) -> str:
    return re.sub(r"\\u\{([0-9A-F]{1,6})\}", lambda found: chr(int(found[1], 16)), text)


def undo_guard(cell: str) -> str:
    return cell[1:] if re.match("'+[=+\\-@\t\r\n＝＋－＠]", cell) else cell


def undo(cell: str) -> str:
    """A text cell of a CSV file as it was at the source: the guard first, then the escape."""
    return undo_escape(undo_guard(cell))


def csv_lines(content: bytes, encoding: str) -> list[list[str]]:
    """Header and rows as they stand in the file, nothing undone."""
    csv.field_size_limit(2**31 - 1)
    text = content.decode(_CODECS.get(encoding, encoding))
    return list(csv.reader(io.StringIO(text, newline=""), strict=True))


def csv_records(content: bytes, encoding: str) -> list[dict[str, str]]:
    """The rows by column name, nothing undone."""
    header, *rows = csv_lines(content, encoding)
    return [dict(zip(header, row, strict=True)) for row in rows]


def xml_root(content: bytes) -> Any:
    """The root of a backup.xml that was validated against its XSD."""
    parser = etree.XMLParser(huge_tree=True, resolve_entities=False, no_network=True)
    root = etree.fromstring(content, parser)
    etree.XMLSchema(etree.parse(str(XSD))).assertValid(root)
    return root


def xml_text(element: Any) -> str | None:
    """An element's text with the escape undone; None where there is no element."""
    return None if element is None else undo_escape(element.text or "")
