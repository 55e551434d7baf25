"""Moments, sizes and counts as people of one place write them.

The Backups page does the same in the browser, whose `Intl` is made from the same CLDR. What the two could
do differently is settled here: dates are CLDR's medium ones, hours go from 00 to 23, digits of sizes are
not grouped, and the words around them are those of the language's file.
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

from babel import Locale, localedata
from babel.dates import format_date
from babel.numbers import format_decimal

from shared.languages import Language


class Forms:
    """The words of a language, and the dates and numbers of the reader's own place where that is known."""

    def __init__(self, language: Language, tag: str) -> None:
        """`tag` is what the reader's token says, such as `en-US`, or anything else."""
        self._language = language
        self._locale = _locale(language, tag)

    @property
    def direction(self) -> str:
        """`ltr` or `rtl`, of the language."""
        return self._locale.text_direction

    def count(self, number: int) -> str:
        return format_decimal(number, locale=self._locale)

    def moment(self, value: datetime) -> str:
        """`22 Nov 2026, 10:11:12 UTC`: no reader takes the zone for the own one, nor 9 for 21 o'clock."""
        at = value.astimezone(UTC)
        date = format_date(at, "medium", locale=self._locale)
        return self._language.says("mail.moment").format(date=date, time=f"{at:%H:%M:%S}")

    def size(self, count: int) -> str:
        """`512 bytes`, `139.6 KB`, …, with 1 KB = 1024 bytes, as file managers and the page count."""
        units = self._language.words["sizes"]
        if count < 1024:
            unit = self._language.says("byte") if count == 1 else units[0]
            return self._language.says("size").format(number=count, unit=unit)
        tenths, step = (count * 10 + 512) // 1024, 1
        while tenths >= 10240 and step < len(units) - 1:
            step += 1
            tenths = (count * 10 + 1024**step // 2) // 1024**step
        number = format_decimal(Decimal(tenths) / 10, "0.0", locale=self._locale)
        return self._language.says("size").format(number=number, unit=units[step])


def _locale(language: Language, tag: str) -> Locale:
    wanted = language.forms_for(tag).replace("-", "_")
    # Looked up among the names there are: the tag is a client's, and Babel makes a file name of it.
    known = wanted if wanted in localedata.locale_identifiers() else language.forms_for().replace("-", "_")
    return Locale.parse(known)
