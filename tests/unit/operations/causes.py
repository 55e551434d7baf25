"""What goes well and what goes wrong, done to the whole service."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta

from tests.unit.operations.whole_service import SENDER, Failed, WholeService

STUCK_SECONDS = 3600


def a_backup_failed(service: WholeService) -> None:
    account = service.account()
    backup = service.request(account)
    service.line("export", "records").refuse("Query", 400, "AccessDeniedException")
    service.run(account, backup)


def a_backup_hangs(service: WholeService) -> None:
    service.left_pending(service.account(), timedelta(seconds=STUCK_SECONDS + 60))
    service.sweep()


def ses_refuses(service: WholeService) -> None:
    account = service.account()
    service.ses.delete_identity(Identity=SENDER)
    service.run(account, service.request(account))


def the_source_is_busy(service: WholeService) -> None:
    account = service.account()
    backup = service.request(account)
    service.line("export", "records").refuse("Query", 400, "ProvisionedThroughputExceededException", times=3)
    service.run(account, backup)


def a_unit_ends_late(service: WholeService) -> None:
    account = service.account()
    service.run(account, service.request(account), seconds=29.9)


def a_scheduled_backup_is_missed(service: WholeService) -> None:
    account = service.account()
    service.request(account)
    service.due_now(account)
    with suppress(Failed):  # nobody is there to send the e-mail, which the next sweep asks for again
        service.sweep()


def health(service: WholeService) -> None:
    """Much of what people do, some of it refused; and one sweep."""
    account = service.account()
    backup = service.request(account)
    assert service.call("POST", "/backups", account)["statusCode"] == 409
    service.run(account, backup)
    assert service.call("POST", f"/backups/{backup}/download-url", account)["statusCode"] == 200
    assert service.call("DELETE", f"/backups/{backup}", account)["statusCode"] == 200
    second = service.request(account)
    assert service.call("DELETE", f"/backups/{second}", account)["statusCode"] == 200
    assert service.call("POST", "/backups", service.account("1", plan="team"))["statusCode"] == 403
    service.sweep()
