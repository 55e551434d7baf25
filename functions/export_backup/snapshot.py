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
        self.old = f"{moment.astimezone(UTC) - _FARTHEST:%Y-%m-%dT%H:%M:%S}"
        """To the second: what sorts before it was created before the snapshot, whatever zone it names."""

    def later(self, created: Sequence[Cell]) -> list[int]:
        """The places of the moments, in ISO 8601, that are after the snapshot.

        What is no moment counts as old, and so does a record without one.
        """
        if not any(created):
            return []
        places = [place for place, text in enumerate(created) if text]
        texts = [str(created[place]) for place in places]
        form = common_form(texts)
        # The first signs sort as the moments do, whatever fraction and zone comes behind.
        sorts = form is not None and form.startswith(_FORM)
        if sorts and max(texts) < self.old:
            return []
        if not sorts:
            sorts = common_form([text[: len(_FORM)] for text in texts]) == _FORM
        return [
            place
            for place, text in zip(places, texts, strict=True)
            if (not sorts or text >= self.old) and self._is_after(text)
        ]

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
