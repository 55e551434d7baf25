"""The moment whose state a backup shows: what was created later stays out."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from functions.export_backup.catalogue import Cell
from functions.export_backup.uniform import common_form

_FORM: Final = "0000-00-00T00:00:00"
_FARTHEST: Final = timedelta(days=1)  # that a zone can be from UTC, to Python


class Snapshot:
    """The moment; a naive one is taken for the machine's own time."""

    def __init__(self, moment: datetime) -> None:
        self._moment = moment
        self._old = f"{moment.astimezone(UTC) - _FARTHEST:%Y-%m-%dT%H:%M:%S}"

    def later(self, created: Sequence[Cell]) -> list[int]:
        """The places of the moments, in ISO 8601, that are after the snapshot.

        What is no moment counts as old, and so does a record without one.
        """
        if not created:
            return []
        texts = [str(text or "") for text in created]
        form = common_form(texts)
        # The first signs sort as the moments do, whatever fraction and zone comes behind.
        if form is not None and form.startswith(_FORM):
            if max(texts) < self._old:
                return []
        elif common_form([text[: len(_FORM)] for text in texts]) != _FORM:
            return [place for place, text in enumerate(texts) if self._is_after(text)]
        return [place for place, text in enumerate(texts) if text >= self._old and self._is_after(text)]

    def _is_after(self, text: str) -> bool:
        created = moment_of(text)
        return created is not None and created > self._moment


def moment_of(text: str) -> datetime | None:
    """A moment in ISO 8601 of any precision, UTC where it names no zone; None where it is none."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
