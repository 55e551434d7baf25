"""The e-mail of a backup that the sweeper has closed: owed until it is settled; and what it logs."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from functions.request_backup.sweeper import OWED_FOR, SweepIncomplete
from shared.backup import Backup, MailState
from tests.unit.request_backup.sweep_world import SweepWorld, ended
from tests.unit.shared.backups_table import ANN, BOB, THROTTLED


def swept(world: SweepWorld, account: str) -> Backup:
    backup = world.begun(account)
    world.end(backup, "ABORTED")
    world.pass_time()
    world.sweeper.sweep()
    return backup


@pytest.mark.parametrize("mail", [MailState.SENT, MailState.NOT_SENT])
def test_an_e_mail_that_is_settled_is_not_asked_for_again(
    world: SweepWorld, account: str, mail: MailState
) -> None:
    backup = swept(world, account)
    world.store.mark_mail(account, backup.id, mail)
    for _ in range(3):
        world.pass_time()
        world.sweeper.sweep()
    assert world.told() == world.cleaned() == [backup.id]
    entry = world.table.records(account)[f"BACKUP#{backup.id}"]
    assert not {"leased", "lease_until"} & set(entry)
    assert ended(world, backup).mail is mail


def test_an_e_mail_that_is_not_settled_is_asked_for_again_for_a_day(world: SweepWorld, account: str) -> None:
    backup = swept(world, account)
    for times in (2, 3):
        world.pass_time()
        world.sweeper.sweep()
        world.sweeper.sweep()  # not before its lease has run out
        assert world.told() == [backup.id] * times
    world.pass_time(OWED_FOR)
    for _ in range(2):
        world.sweeper.sweep()
        world.pass_time()
    assert world.told() == [backup.id] * 3


@pytest.mark.parametrize("fault", [(429, "TooManyRequestsException"), (403, "AccessDeniedException")])
def test_what_could_not_be_asked_for_is_asked_for_by_a_later_sweep(
    world: SweepWorld, account: str, fault: tuple[int, str]
) -> None:
    backup = world.begun(account)
    world.end(backup, "ABORTED")
    world.pass_time()
    world.functions.refuse(*fault)
    with pytest.raises(SweepIncomplete):
        world.sweeper.sweep()
    assert world.states(account) == {backup.id: "failed"}  # the account is free all the same
    world.functions.mend()
    world.pass_time()
    world.sweeper.sweep()
    assert world.cleaned() == world.told() == [backup.id]


def test_an_end_whose_e_mail_the_workflow_could_not_see_to_is_told_by_the_sweeper(
    world: SweepWorld, account: str
) -> None:
    """An operator aborts between the step `ready` and the e-mail."""
    backup = world.table.ready(account)
    world.functions.refuse(429, "TooManyRequestsException")
    with pytest.raises(ClientError):
        world.sweeper.look(account, backup.id)
    world.functions.mend()
    world.sweeper.look(account, backup.id)
    assert world.told() == [backup.id]
    world.pass_time()
    world.sweeper.sweep()
    assert world.told() == [backup.id] * 2
    world.store.mark_mail(account, backup.id, MailState.SENT)
    world.pass_time()
    world.sweeper.sweep()
    assert world.told() == [backup.id] * 2
    assert "leased" not in world.table.records(account)[f"BACKUP#{backup.id}"]


def test_of_a_file_that_was_deleted_meanwhile_nobody_is_told(world: SweepWorld, account: str) -> None:
    backup = world.table.ready(account)
    world.store.owe_mail(account, backup.id, world.table.now)
    world.store.delete(backup, by=BOB, now=world.table.now)
    world.pass_time()
    world.sweeper.sweep()
    assert world.functions.asked == []
    assert "leased" not in world.table.records(account)[f"BACKUP#{backup.id}"]


def test_owing_an_e_mail_for_what_the_history_forgets_makes_no_record(
    world: SweepWorld, account: str
) -> None:
    world.store.owe_mail(account, world.table.backup(account).id, world.table.now)
    world.store.owe_nothing(account, world.table.backup(account).id)
    assert world.table.records(account) == {}


# --- what is logged ---


def test_logs_hold_ids_and_reasons_and_nothing_of_the_account(world: SweepWorld, account: str) -> None:
    backup = swept(world, account)
    (line,) = [line for line in world.logged() if line["message"] == "backup closed as failed"]
    assert (line["backup_id"], line["account_id"], line["reason"]) == (backup.id, account, "internal")
    for secret in (ANN.email, ANN.name, backup.object_key, backup.file_name, "Acme"):
        assert secret
        assert secret not in world.log.getvalue()


def test_a_refusal_s_text_is_not_logged(world: SweepWorld, account: str) -> None:
    """AWS's texts quote what a call was about."""
    backup = world.begun(account)
    world.end(backup, "ABORTED")
    world.pass_time()
    world.table.line.refuse("TransactWriteItems", *THROTTLED)
    with pytest.raises(SweepIncomplete) as incomplete:
        world.sweeper.sweep()
    assert str(incomplete.value) == "1 of 1"
    assert "made up" not in world.log.getvalue()
