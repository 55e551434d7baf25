"""The ordinary way with XML as well: lxml's incremental writer (the xmlfile that ElementTree has not) beside
the CSV files, of the same records, read once. Its XML is flat, table by table, which is less work than ours.
"""

from __future__ import annotations

import csv
import io
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from lxml import etree  # type: ignore[import-untyped]

from bench.aws import BUCKET, Place
from bench.peers import Item, Kept, guarded, plain, records
from bench.recording import TABLE_NAME
from functions.export_backup.catalogue import TABLES, XML_MEMBER, Kind, Table

_illegal = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


def ordinary_with_xml(place: Place) -> Callable[[], None]:
    source = place.session.resource("dynamodb", **place.parameters).Table(TABLE_NAME)
    s3 = place.session.client("s3", **place.parameters)

    def work() -> None:
        with TemporaryDirectory() as directory:
            path, xml_path = str(Path(directory) / "backup.zip"), str(Path(directory) / XML_MEMBER)
            with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
                with etree.xmlfile(xml_path, encoding="utf-8") as xml:
                    xml.write_declaration()
                    with xml.element("backup"):
                        _write_tables(archive, xml, source)
                archive.write(xml_path, XML_MEMBER)
            s3.upload_file(path, BUCKET, place.key)

    return work


def _write_tables(archive: zipfile.ZipFile, xml: Any, source: Any) -> None:
    kept = Kept()
    for table in TABLES:
        with (
            archive.open(table.member, "w", force_zip64=True) as raw,
            io.TextIOWrapper(raw, encoding="utf-8", newline="") as text,
            xml.element(f"{table.element}s"),
        ):
            writer = csv.DictWriter(text, [column.name for column in table.columns], extrasaction="ignore")
            writer.writeheader()
            for item in records(source, table):
                if kept.keeps(table, item, plain):
                    xml.write(_element(table, item))
                    writer.writerow(guarded(table, item))


def _element(table: Table, item: Item) -> Any:
    record = etree.Element(table.element)
    for column in table.columns:
        value = item.get(column.name)
        if value is None:
            continue
        field = etree.SubElement(record, column.name)
        if column.kind is Kind.LIST:
            for text in value:
                etree.SubElement(field, column.item).text = _legal(text)
        else:
            field.text = _legal(str(value))
    return record


def _legal(text: str) -> str:
    if _illegal.search(text):
        return _illegal.sub(lambda found: f"\\u{{{ord(found.group()):X}}}", text)
    return text
