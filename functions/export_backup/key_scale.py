"""Sort keys read as numbers, so that it can be said how far apart two of them are."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Scale:
    """Keys of one form, `000000000012#000001`, read as numbers: their digits, in a row."""

    form: str
    """The key with a 0 for every digit."""
    digits: int

    @classmethod
    def of(cls, key: str) -> Scale:
        form = _form(key)
        return cls(form, form.count("0"))

    def number(self, key: str | None) -> int | None:
        """Of a key of this form, or of the beginning of one; None of any other."""
        if key is None or not self.form.startswith(_form(key)):
            return None
        return int(_NO_DIGIT.sub("", key).ljust(self.digits, "0") or "0")

    def key(self, number: int) -> str | None:
        """None where the number has too many digits, or there are none to count with."""
        digits = str(number).rjust(self.digits, "0")
        if not self.digits or len(digits) > self.digits:
            return None
        left = iter(digits)
        return "".join(next(left) if sign == "0" else sign for sign in self.form)


_NO_DIGIT = re.compile("[^0-9]+")
_ZEROS = str.maketrans("123456789", "000000000")


def _form(key: str) -> str:
    return key.translate(_ZEROS)
