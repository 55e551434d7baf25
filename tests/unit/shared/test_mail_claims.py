"""Who sends a backup's e-mail: one sender at a time, and nobody once it is settled."""

from __future__ import annotations

from datetime import timedelta

import pytest
from botocore.exceptions import ClientError

from shared.backup import Backup, MailState
from shared.mail_claims import MAIL_CLAIM
from tests.unit.shared.backups_table import BackupsTable


def mail_of(table: BackupsTable, backup: Backup) -> MailState | None:
    found = table.store.find(backup.account_id, backup.id)
    assert found is not None
    return found.mail


def test_the_first_sender_gets_the_mail_and_the_second_not(table: BackupsTable, account: str) -> None:
    backup = table.ready(account)
    assert table.store.claim_mail(account, backup.id, table.now)
    assert mail_of(table, backup) is MailState.SENDING
    assert not table.store.claim_mail(account, backup.id, table.now)


@pytest.mark.parametrize(("seconds", "taken"), [(-1, False), (0, False), (1, True)])
def test_a_dead_sender_s_mail_is_taken_over_once_its_claim_is_stale(
    table: BackupsTable, account: str, seconds: int, taken: bool
) -> None:
    backup = table.ready(account)
    table.store.claim_mail(account, backup.id, table.now)
    later = table.now + MAIL_CLAIM + timedelta(seconds=seconds)
    assert table.store.claim_mail(account, backup.id, later) is taken
    assert not table.store.claim_mail(account, backup.id, later)


@pytest.mark.parametrize("settled", [MailState.SENT, MailState.NOT_SENT])
def test_a_settled_mail_is_nobody_s_ever_again(table: BackupsTable, account: str, settled: MailState) -> None:
    backup = table.ready(account)
    table.store.claim_mail(account, backup.id, table.now)
    table.store.mark_mail(account, backup.id, settled)
    assert mail_of(table, backup) is settled
    assert not table.store.claim_mail(account, backup.id, table.now + 100 * MAIL_CLAIM)


def test_a_mail_given_back_can_be_taken_at_once(table: BackupsTable, account: str) -> None:
    backup = table.failed(account)
    table.store.claim_mail(account, backup.id, table.now)
    table.store.release_mail(account, backup.id)
    assert mail_of(table, backup) is None
    assert table.store.claim_mail(account, backup.id, table.now)


def test_no_mail_is_claimed_or_marked_of_a_backup_that_has_not_ended(
    table: BackupsTable, account: str
) -> None:
    backup = table.pending(account)
    before = table.records(account)
    assert not table.store.claim_mail(account, backup.id, table.now)
    with pytest.raises(ClientError):
        table.store.mark_mail(account, backup.id, MailState.SENT)
    with pytest.raises(ClientError):
        table.store.release_mail(account, backup.id)
    assert table.records(account) == before
