"""What fails frees the account, says why, and leaves no archive."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from functions.export_backup.catalogue import TABLES
from functions.export_backup.contents import UnitsApart
from functions.export_backup.source import SourceRefused, SourceUnavailable
from shared.backup import Failure, Reason, State
from shared.store import Superseded
from tests.unit.export_backup.running_backup import (
    ACCOUNT_ID,
    CUT,
    OWN,
    WHOLE,
    World,
)


def test_failing_frees_the_account_and_says_why(world: World) -> None:
    world.claim()
    world.store.note_failure(ACCOUNT_ID, OWN, Failure(Reason.SOURCE_REFUSED, "COMMENTS"))
    assert world.take("fail", error="SourceRefused") == {}
    backup = world.backup()
    assert backup.state is State.FAILED
    assert backup.failure == Failure(Reason.SOURCE_REFUSED, "COMMENTS")
    assert backup.finished_at == world.now
    assert backup.expires_at is None
    assert world.store.running(ACCOUNT_ID) is None


@pytest.mark.parametrize(
    "error", ["States.Timeout", "Sandbox.Timedout", "Lambda.ClientExecutionTimeoutException"]
)
def test_a_step_that_ran_out_of_time_is_said_to_have(world: World, error: str) -> None:
    """Fault 10, once the retries are used up."""
    world.claim()
    world.take("fail", error=error)
    assert world.backup().failure == Failure(Reason.TIMED_OUT)


@pytest.mark.parametrize(
    "payload", [{"error": "Runtime.ExitError"}, {"error": "Nonsense"}, {}, {"error": None}]
)
def test_any_other_end_is_internal_and_quotes_nothing_of_what_it_was_sent(
    world: World, payload: dict[str, Any]
) -> None:
    world.claim()
    world.take("fail", **payload)
    assert world.backup().failure == Failure(Reason.INTERNAL)


def test_a_reason_that_a_later_attempt_made_good_is_not_the_reason(world: World) -> None:
    world.claim()
    unit = world.take("plan")["units"][0]
    world.store.note_failure(ACCOUNT_ID, OWN, Failure(Reason.SOURCE_UNAVAILABLE, "COMMENTS"))
    world.take("export", unit=unit)  # the retry: all is read
    world.take("fail", error="States.Timeout")  # assembling was too slow
    assert world.backup().failure == Failure(Reason.TIMED_OUT)


def test_failing_again_changes_nothing(world: World) -> None:
    world.claim()
    world.take("fail", error="States.Timeout")
    record = world.record(f"BACKUP#{OWN}")
    world.now += timedelta(minutes=1)
    assert world.take("fail", error="Oops") == {}
    assert world.record(f"BACKUP#{OWN}") == record


def test_failing_a_ready_backup_leaves_it_ready(world: World) -> None:
    world.claim()
    world.run()
    record = world.record(f"BACKUP#{OWN}")
    assert world.take("fail", error="States.Timeout") == {}
    assert world.record(f"BACKUP#{OWN}") == record


def test_ready_wins_over_a_failing_that_looked_a_moment_before(world: World) -> None:
    world.claim()
    archive = world.assembled()
    world.before["TransactWriteItems"] = lambda: world.take("ready", archive=archive)
    with pytest.raises(Superseded):
        world.take("fail", error="States.Timeout")
    assert world.backup().state is State.READY


@pytest.mark.parametrize(
    ("code", "outcome"),
    [("ThrottlingException", SourceUnavailable), ("AccessDeniedException", SourceRefused)],
)
def test_a_source_that_fails_in_whatever_table_leaves_no_archive_and_the_failure_names_the_table(
    world: World, code: str, outcome: type[SourceUnavailable | SourceRefused]
) -> None:
    """Fault 20."""
    world.claim()
    world.take("plan")
    for table in TABLES:
        world.refused = {f"Query:{table.name}": (code, 400)}
        with pytest.raises(outcome) as failure:
            world.take("export", unit=WHOLE)
        assert isinstance(failure.value, SourceUnavailable | SourceRefused)
        assert failure.value.table == table.name
        assert world.bucket.stored_keys() == []
        assert world.bucket.open_uploads() == []
        assert world.backup().state is State.RUNNING
        assert world.backup().units_done == frozenset()


def test_a_part_that_was_not_exported_is_missed(world: World) -> None:
    world.claim()
    units = world.planned(CUT)
    first = world.export(units[0])
    with pytest.raises(UnitsApart):
        world.take("assemble", exported=[first])
    assert not [key for key in world.bucket.stored_keys() if key.startswith("backups/")]
