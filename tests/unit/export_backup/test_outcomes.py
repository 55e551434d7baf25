"""What users are told of an error: whether it passes by itself, or somebody has to act."""

from __future__ import annotations

import pytest

from functions.export_backup.archive import ArchiveKeyTaken, ArchiveMissing, SegmentDamaged, SegmentMissing
from functions.export_backup.bucket_errors import BucketRefused, BucketUnavailable
from functions.export_backup.contents import UnitsApart
from functions.export_backup.export_step import UnitEndless
from functions.export_backup.outcomes import StepBroken, of_error
from functions.export_backup.source import SourceRefused, SourceUnavailable
from functions.export_backup.unit_report import RecordsUnaccounted
from functions.export_backup.verification import ArchiveDamaged
from shared.backup import Failure, Reason


@pytest.mark.parametrize(
    ("error", "failure"),
    [
        (SourceUnavailable("COMMENTS"), Failure(Reason.SOURCE_UNAVAILABLE, "COMMENTS")),
        (SourceRefused("COMMENTS"), Failure(Reason.SOURCE_REFUSED, "COMMENTS")),
        (BucketUnavailable("x"), Failure(Reason.STORAGE_UNAVAILABLE)),
        (BucketRefused("x"), Failure(Reason.STORAGE_REFUSED)),
        (SegmentMissing("files.csv", "k"), Failure(Reason.ARCHIVE_DAMAGED, "files.csv")),
        (SegmentDamaged("files.csv", "k"), Failure(Reason.ARCHIVE_DAMAGED, "files.csv")),
        (ArchiveDamaged("files.csv", "x"), Failure(Reason.ARCHIVE_DAMAGED, "files.csv")),
        (RecordsUnaccounted("COMMENTS"), Failure(Reason.ARCHIVE_DAMAGED, "COMMENTS")),
        (ArchiveMissing("x"), Failure(Reason.ARCHIVE_DAMAGED)),
        (ArchiveKeyTaken("x"), Failure(Reason.ARCHIVE_DAMAGED)),
        (UnitsApart("x"), Failure(Reason.ARCHIVE_DAMAGED)),
        (UnitEndless("x"), Failure(Reason.TIMED_OUT)),
    ],
    ids=lambda value: type(value).__name__,
)
def test_each_outcome_is_told_as_what_it_is(error: Exception, failure: Failure) -> None:
    assert of_error(error) == (error, failure)


def test_a_bug_is_told_by_its_class_and_not_by_its_text() -> None:
    outcome, failure = of_error(KeyError("a row's text"))
    assert isinstance(outcome, StepBroken)
    assert failure == Failure(Reason.INTERNAL, "KeyError")
    assert "row" not in str(outcome)
