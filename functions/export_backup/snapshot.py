"""The moment whose state a backup shows: what was created later stays out."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from functions.export_backup.catalogue import Cell
from functions.export_backup.uniform import common_form

_COMPARABLE: Final = re.compile(r"0000-00-00T00:00:00(?:\.(0{1,6}))?Z")
"""Forms in which moments sort as texts, so that a column's greatest text is its latest moment."""


class Snapshot:
    """A moment; naive ones are taken for UTC."""

    def __init__(self, moment: datetime) -> None:
        self._moment = moment
        utc = moment.astimezone(UTC)
        self._seconds, self._fraction = f"{utc:%Y-%m-%dT%H:%M:%S}", f"{utc:%f}"

    def later(self, created: Sequence[Cell]) -> list[int]:
        """The places of the moments, in ISO 8601, that are after the snapshot.

        What is no moment counts as old, and so does a record without one.
        """
        if not created or self._are_all_before(created):
            return []
        return [
            place for place, text in enumerate(created) if isinstance(text, str) and self._is_before(text)
        ]

    def _are_all_before(self, created: Sequence[Cell]) -> bool:
        form = common_form(created)  # type: ignore[arg-type]
        found = _COMPARABLE.fullmatch(form) if form else None
        if found is None:
            return False
        fraction = f".{self._fraction[: len(found[1])]}" if found[1] else ""
        latest: str = max(created)  # type: ignore[assignment, type-var]
        return latest <= f"{self._seconds}{fraction}Z"

    def _is_before(self, text: str) -> bool:
        created = moment_of(text)
        return created is not None and created > self._moment


def moment_of(text: str) -> datetime | None:
    """A moment in ISO 8601 of any precision, UTC where it names no zone; None where it is none."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
