"""Each statement of each role is needed: taken out on the deployed stack, what it is for fails.

What the local AWS does not enforce (logs, traces, the workflow's own calls, the difference between 403
and 404) is put to IAM's policy simulator instead, with and without the statement.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.backup import Backup
from shared.store import cancelled
from tests.e2e.statements import Statement, arn_of, statements, without
from tests.e2e.test_requests import held_back
from tests.e2e.test_schedule import look_now, scheduled_and_ready, set_schedule
from tests.e2e.test_sweeper import (
    abort,
    fall_silent,
    lease_of,
    never_started,
    state_of,
    sweep,
    without_status_events,
)
from tests.e2e.world import World, eventually

# --- what each statement is for; each returns whether it works ---


def looks(world: World) -> bool:
    return world.call("GET", "/backups", world.token(world.account().id)).status_code == 200


def reads_the_trail(world: World) -> bool:
    return world.call("GET", "/audit", world.token(world.account().id)).status_code == 200


def keeps_so_many_files(world: World) -> bool:
    account = world.account()
    set_schedule(world, account, keep=1)
    made = [scheduled_and_ready(world, account, age=timedelta(hours=hours)) for hours in (2, 1)]
    look_now(world, account)
    sweep(world)
    world.store().drop_schedule(account.id, by=None, now=datetime.now(UTC))
    return [state_of(world, backup) for backup in made] == ["deleted", "ready"]


def asks(world: World) -> bool:
    account = world.account()
    answer = world.call("POST", "/backups", world.token(account.id), json={})
    if answer.status_code == 202:
        world.outcome_of(answer.json()["id"])
        return True
    assert answer.status_code == 500
    assert not any(record["sk"] == "PENDING" for record in world.records_of(account.id))
    return False


def frees_the_account_when_the_start_is_refused(world: World) -> bool:
    account = world.account()
    with without(world, ("RequestBackupRole", "StartWorkflow")):
        answer = world.call("POST", "/backups", world.token(account.id), json={})
    assert answer.status_code == 500
    return not any(record["sk"] == "PENDING" for record in world.records_of(account.id))


def backs_up(world: World) -> bool:
    account = world.account()
    world.fill(account)
    token = world.token(account.id)
    backup_id = world.ask(token)
    return world.outcome_of(backup_id) == "SUCCEEDED"


def mails(world: World) -> bool:
    token = world.token(world.account().id)
    shown = world.ended(token, world.ask(token))
    assert shown["state"] == "ready"  # an e-mail that cannot be sent never fails a backup
    return bool(world.mails_about(shown["file"]["name"]))


def links(world: World) -> bool:
    token = world.token(world.account().id)
    backup_id = world.ask(token)
    world.outcome_of(backup_id)
    return world.call("POST", f"/backups/{backup_id}/download-url", token).status_code == 200


def tells_a_file_that_is_gone(world: World) -> bool:
    token = world.token(world.account().id)
    shown = world.ended(token, world.ask(token))
    (key,) = [key for key in world.objects("backups/") if key.endswith(shown["file"]["name"])]
    world.client("s3").delete_object(Bucket=world.outputs["Bucket"], Key=key)
    return world.call("POST", f"/backups/{shown['id']}/download-url", token).status_code == 410


def stops_a_cancelled_backup(world: World) -> bool:
    token = world.token(world.account().id)
    with held_back(world):
        backup_id = world.ask(token)
        # The account is free either way: that is what the fence is for.
        assert world.call("DELETE", f"/backups/{backup_id}", token).json()["state"] == "cancelled"
        return bool(world.execution(backup_id)["status"] == "ABORTED")


def has_a_cancelled_backup_cleaned_up(world: World) -> bool:
    account = world.account()
    backup = world.pending(account)
    assert world.call("DELETE", f"/backups/{backup.id}", world.token(account.id)).status_code == 200

    def told() -> str | None:
        lines = "\n".join(line for line in world.logs() if backup.id in line)
        return lines if "backup cancelled" in lines else None

    return "cleaning not asked for" not in eventually(told, "the API's log")


def deletes(world: World) -> bool:
    token = world.token(world.account().id)
    shown = world.ended(token, world.ask(token))
    answer = world.call("DELETE", f"/backups/{shown['id']}", token)
    if answer.status_code == 500:
        assert world.call("GET", f"/backups/{shown['id']}", token).json()["state"] == "ready"
        return False
    assert not [key for key in world.objects("backups/") if key.endswith(shown["file"]["name"])]
    return bool(answer.json()["state"] == "deleted")


def exported(world: World) -> tuple[Backup, list[Any]]:
    backup = world.pending(world.account())
    (unit,) = world.step("plan", backup)["Payload"]["units"]
    return backup, [world.step("export", backup, unit=unit)["Payload"]]


def finds_its_archive_when_assembling_again(world: World) -> bool:
    backup, units = exported(world)
    assert not world.step("assemble", backup, exported=units)["FunctionError"]
    return not world.step("assemble", backup, exported=units)["FunctionError"]


def cleans_up(world: World) -> bool:
    backup, units = exported(world)
    world.step("assemble", backup, exported=units)
    assert world.objects(f"staging/{backup.id}/")
    assert world.objects(backup.object_key)
    world.store().finish(cancelled(backup, backup.requested_by, datetime.now(UTC)))
    cleaned = not world.step("clean", backup)["FunctionError"]
    left = world.objects(f"staging/{backup.id}/") + world.objects(backup.object_key)
    assert cleaned == (not left)
    for key in left:  # what is refused here is left to the bucket's lifecycle rules
        world.client("s3").delete_object(Bucket=world.outputs["Bucket"], Key=key)
    return cleaned


def names_a_missing_part(world: World) -> bool:
    backup, units = exported(world)
    for key in world.objects(f"staging/{backup.id}/"):
        world.client("s3").delete_object(Bucket=world.outputs["Bucket"], Key=key)
    assert world.step("assemble", backup, exported=units)["FunctionError"]
    (pending,) = [record for record in world.records_of(backup.account_id) if record["sk"] == "PENDING"]
    return bool(pending["failure"]["reason"] == "archive_damaged")


def starts_what_was_lost(world: World) -> bool:
    backup = never_started(world, world.account())
    sweep(world)
    if backup.id in world.executions():
        world.outcome_of(backup.id)
        return True
    # Where the start is refused the account is free all the same, and where nothing could be read it waits.
    assert state_of(world, backup) in ("failed", "pending")
    return False


def leaves_a_slow_backup_alone(world: World) -> bool:
    account = world.account()
    with held_back(world):
        world.ask(world.token(account.id))
        fall_silent(world, account)
        before = lease_of(world, account)
        sweep(world)
        return lease_of(world, account) > before


def aborted(world: World) -> Backup:
    """A backup whose workflow an operator has stopped, and of which nobody has heard since."""
    account = world.account()
    token = world.token(account.id)
    with without_status_events(world), held_back(world):
        abort(world, world.ask(token))
        fall_silent(world, account)
    running = world.store().running(account.id)
    assert running is not None
    return running


def closes_what_was_aborted(world: World) -> bool:
    backup = aborted(world)
    sweep(world)
    return state_of(world, backup) == "failed"


def has_what_was_aborted_cleaned_up_and_told(world: World) -> bool:
    backup = aborted(world)
    sweep(world)
    assert state_of(world, backup) == "failed"

    def logged() -> str | None:
        lines = "\n".join(line for line in world.logs() if backup.account_id in line)
        return lines if "backup closed as failed" in lines else None

    return "account not looked after" not in eventually(logged, "the sweeper's log")


ENFORCED: dict[Statement, Callable[[World], bool]] = {
    ("RequestBackupRole", "ReadBackups"): looks,
    ("RequestBackupRole", "ListBackups"): looks,
    ("RequestBackupRole", "ClaimTheLock"): asks,
    ("RequestBackupRole", "StartWorkflow"): asks,
    ("RequestBackupRole", "FreeTheLockWhenRefused"): frees_the_account_when_the_start_is_refused,
    ("RequestBackupRole", "SignLinks"): links,
    ("RequestBackupRole", "StopWorkflow"): stops_a_cancelled_backup,
    ("RequestBackupRole", "CleanUp"): has_a_cancelled_backup_cleaned_up,
    ("RequestBackupRole", "DeleteArchives"): deletes,
    ("RequestBackupRole", "ChangeHistory"): deletes,
    ("RequestBackupRole", "AppendToTheTrail"): asks,
    ("RequestBackupRole", "ReadTheTrail"): reads_the_trail,
    ("ExportBackupRole", "ReadAccountData"): backs_up,
    ("ExportBackupRole", "ReadBackups"): backs_up,
    ("ExportBackupRole", "SayHowFar"): backs_up,
    ("ExportBackupRole", "FreeTheLock"): backs_up,
    ("ExportBackupRole", "WriteHistory"): backs_up,
    ("ExportBackupRole", "AppendToTheTrail"): backs_up,
    ("ExportBackupRole", "WriteSegments"): backs_up,
    ("ExportBackupRole", "ReadSegments"): backs_up,
    ("ExportBackupRole", "WriteArchives"): backs_up,
    ("ExportBackupRole", "CheckArchives"): finds_its_archive_when_assembling_again,
    ("ExportBackupRole", "ListObjects"): cleans_up,
    ("ExportBackupRole", "ListUploads"): cleans_up,
    ("ExportBackupRole", "RemoveLeftovers"): cleans_up,
    ("NotifyRole", "ReadBackups"): mails,
    ("NotifyRole", "ClaimTheMail"): mails,
    ("NotifyRole", "AppendToTheTrail"): mails,
    ("NotifyRole", "SendMail"): mails,
    ("NotifyRole", "SignLinks"): mails,
    ("DownloadRole", "FetchArchives"): links,
    ("SweepBackupsRole", "FindSilentBackups"): starts_what_was_lost,
    ("SweepBackupsRole", "ReadBackups"): starts_what_was_lost,
    ("SweepBackupsRole", "StartWorkflow"): starts_what_was_lost,
    ("SweepBackupsRole", "FindOldFiles"): keeps_so_many_files,
    ("SweepBackupsRole", "ExtendLeases"): leaves_a_slow_backup_alone,
    ("SweepBackupsRole", "AskWorkflow"): closes_what_was_aborted,
    ("SweepBackupsRole", "FreeTheLock"): closes_what_was_aborted,
    ("SweepBackupsRole", "WriteHistory"): closes_what_was_aborted,
    ("SweepBackupsRole", "AppendToTheTrail"): closes_what_was_aborted,
    ("SweepBackupsRole", "CloseAndCleanUp"): has_what_was_aborted_cleaned_up_and_told,
    ("SweepBackupsRole", "Tell"): has_what_was_aborted_cleaned_up_and_told,
}


SIMULATED: dict[Statement, tuple[str, str]] = {
    **{
        (f"{function}Role", "WriteLogs"): ("logs:PutLogEvents", f"{function}Logs")
        for function in ("RequestBackup", "ExportBackup", "Notify", "SweepBackups")
    },
    **{
        (f"{traced}Role", "Trace"): ("xray:PutTraceSegments", "*")
        for traced in ("RequestBackup", "ExportBackup", "Notify", "SweepBackups", "Workflow")
    },
    **{
        (role, "KeepWhatFailed"): ("sqs:SendMessage", "FailedInvocations")
        for role in ("ExportBackupRole", "NotifyRole", "SweepBackupsRole")
    },
    # The local AWS answers 404 for an object that is not there to whoever asks.
    ("DownloadRole", "TellMissingFromForbidden"): ("s3:ListBucket", "ArchiveBucket"),
    ("WorkflowRole", "RunSteps"): ("lambda:InvokeFunction", "ExportBackupFunction"),
    ("WorkflowRole", "StartUnits"): ("states:StartExecution", "BackupWorkflow"),
    ("WorkflowRole", "FollowUnits"): ("states:StopExecution", "BackupWorkflow/units"),
    ("WorkflowRole", "DeliverLogs"): ("logs:CreateLogDelivery", "*"),
}


def test_every_statement_of_the_template_is_tried() -> None:
    assert statements() == ENFORCED.keys() | SIMULATED.keys()


@pytest.mark.parametrize("statement", ENFORCED, ids="-".join)
def test_without_the_statement_what_it_is_for_fails(world: World, statement: Statement) -> None:
    works = ENFORCED[statement]
    with without(world, statement):
        assert not works(world)


@pytest.mark.parametrize(
    "works",
    [*dict.fromkeys(ENFORCED.values()), names_a_missing_part, tells_a_file_that_is_gone],
    ids=lambda works: works.__name__,
)
def test_with_all_statements_it_works(world: World, works: Callable[[World], bool]) -> None:
    assert works(world)


@pytest.mark.parametrize("statement", SIMULATED, ids="-".join)
def test_what_is_not_enforced_here_is_allowed_by_the_statement_alone(
    world: World, statement: Statement
) -> None:
    action, resource = SIMULATED[statement]
    role_arn = world.client("iam").get_role(RoleName=world.resource(statement[0]))["Role"]["Arn"]

    def allowed() -> bool:
        answer = world.client("iam").simulate_principal_policy(
            PolicySourceArn=role_arn, ActionNames=[action], ResourceArns=[arn_of(world, resource)]
        )
        return bool(answer["EvaluationResults"][0]["EvalDecision"] == "allowed")

    assert allowed()
    with without(world, statement):
        assert not allowed()
