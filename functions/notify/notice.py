"""One e-mail per outcome, through a service that cannot be asked whether it has sent one.

    find → write → claim → send → mark

Whatever can go wrong without SES goes wrong before the claim and leaves nothing behind. After it:

    SES answered                         record       then
    taken                                sent         done
    will not take it                     not_sent     done: a retry gets the same answer
    not now (throttled, not reached)     claim given  MailDelayed; the retry is a first try again
                                         back
    nothing (or we died before marking)  sending      MailDelayed; retries find the claim and are delayed
                                                      until it is stale (MAIL_CLAIM), then one takes over

A run that takes over knows that one mail may be out. Its mail is the second and must be the last, so it
writes not_sent first and sent afterwards: if it dies, or SES is silent again, nobody sends a third.

    taken                                sent         done: two mails at most
    will not take it, or nothing         not_sent     done: nobody has heard SES take it
    not now                              sending      MailDelayed; taken over again once stale

So Step Functions must retry MailDelayed for longer than twice MAIL_CLAIM.
"""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum

from aws_lambda_powertools import Logger
from botocore.exceptions import BotoCoreError, ClientError

from functions.notify.address import plain_address
from functions.notify.mail import failure_mail, ready_mail
from functions.notify.postbox import NotTaken, Postbox, Refused, Unanswered
from functions.notify.rendering import Letter, letter_of
from shared import audit
from shared.audit import Way
from shared.backup import Backup, MailState, State
from shared.languages import Languages
from shared.link import ArchiveGone, Link, LinkSigner, TooLate
from shared.logs import shape_of
from shared.moments import Clock
from shared.store import BackupStore

WORTH_FETCHING = timedelta(minutes=1)
"""A file that is deleted sooner than this is not announced any more."""

_VOID = (State.CANCELLED, State.DELETED)  # whoever has done this knows, and a link would lead nowhere


class Told(StrEnum):
    """What the workflow is told."""

    SENT = "sent"
    NOT_SENT = "not_sent"
    """There was no address, or no file any more."""
    REFUSED = "refused"
    """SES would not take it, or was silent twice; or no link could be signed: a fault of the deployment."""
    ALREADY = "already"
    """An earlier run has sent it, or was refused."""
    VOID = "void"
    """Somebody has cancelled the backup or deleted its file: there is nothing left to tell."""


class NoOutcome(Exception):
    """No such backup, or it has not ended: there is nothing to tell. Nobody retries."""


class MailDelayed(Exception):
    """The mail is not out, or nobody knows. Step Functions retries, with back-off, past the claim's end."""


class _Unsendable(Exception):
    """This mail can never be sent; the text, out of our own code, says why. Caught here, marked not_sent."""

    def __init__(self, why: str, told: Told = Told.NOT_SENT) -> None:
        super().__init__(why)
        self.told = told


class Notice:
    """Tells the person who asked how their backup ended."""

    def __init__(
        self,
        store: BackupStore,
        signer: LinkSigner,
        postbox: Postbox,
        languages: Languages,
        clock: Clock,
        logger: Logger,
        *,
        product: str,
        tab_url: str,
        link_seconds: int,
    ) -> None:
        self._store = store
        self._signer = signer
        self._postbox = postbox
        self._languages = languages
        self._clock = clock
        self._logger = logger
        self._product = product
        self._tab_url = tab_url
        self._link_seconds = link_seconds

    def give(self, account_id: str, backup_id: str) -> Told:
        """Send the outcome's mail, unless it is settled. Raises NoOutcome or MailDelayed.

        Errors of DynamoDB pass through; running again is safe after all of them.
        """
        backup = self._ended(account_id, backup_id)
        if backup.state in _VOID:
            # Nothing is written: these states are final, and the record of a mail sent before stays true.
            self._logger.info("mail was void", outcome=backup.state.value, extra=_ids(backup))
            return Told.VOID
        if _settled(backup):
            return Told.ALREADY
        try:
            address, letter, link = self._write(backup)
        except _Unsendable as why:
            return self._settle_without_sending(backup, why)
        self._claim(backup, link)
        return self._send(backup, letter, address)

    def _ended(self, account_id: str, backup_id: str) -> Backup:
        backup = self._store.find(account_id, backup_id)
        if backup is None or backup.state not in (State.READY, State.FAILED, *_VOID):
            raise NoOutcome("the backup is unknown or has not ended")
        return backup

    def _write(self, backup: Backup) -> tuple[str, Letter, Link | None]:
        """The address, the letter, and the link in it, if any. Raises _Unsendable or MailDelayed."""
        address = plain_address(backup.requested_by.email)
        if address is None:
            raise _Unsendable("no_address")
        language = self._languages.best(backup.requested_by.language)
        if backup.state is State.FAILED:
            mail = failure_mail(backup, language, product=self._product, tab_url=self._tab_url)
            return address, letter_of(mail), None
        link = self._signed(backup)
        mail = ready_mail(backup, link, language, product=self._product, tab_url=self._tab_url)
        return address, letter_of(mail), link

    def _signed(self, backup: Backup) -> Link:
        """A link that ends with its file's promise at the latest. Raises _Unsendable or MailDelayed."""
        expires_at = backup.expires_at or self._clock()
        if expires_at - self._clock() < WORTH_FETCHING:
            raise _Unsendable("expired")
        try:
            return self._signer.sign(
                backup.object_key, backup_id=backup.id, seconds=self._link_seconds, not_after=expires_at
            )
        except ArchiveGone:
            raise _Unsendable("archive_gone") from None
        except TooLate:
            raise _Unsendable("expired") from None
        except ClientError as error:
            if _is_definite(error):
                self._logger.error("download link was refused", shape=shape_of(error), extra=_ids(backup))
                raise _Unsendable("no_link", Told.REFUSED) from None
            raise self._delayed(backup, "link_unavailable") from None
        except BotoCoreError:
            raise self._delayed(backup, "link_unavailable") from None

    def _settle_without_sending(self, backup: Backup, why: _Unsendable) -> Told:
        self._claim(backup)
        self._mark(backup, MailState.NOT_SENT)
        return self._not_sent(backup, str(why), why.told)

    def _claim(self, backup: Backup, link: Link | None = None) -> None:
        """Raises MailDelayed where another run has the claim: only its end tells whether there is a mail.

        With the claim the link is entered in the trail, so that none goes out that is not there. One whose
        mail SES then does not take stands there too; the retry makes another one.
        """
        now = self._clock()
        entry = None if link is None else audit.link_made(backup, link, Way.MAIL, backup.requested_by, now)
        if not self._store.claim_mail(backup.account_id, backup.id, now, link=entry):
            raise self._delayed(backup, "claimed")

    def _send(self, backup: Backup, letter: Letter, address: str) -> Told:
        takes_over = backup.mail is MailState.SENDING
        if takes_over:
            # Ahead of the send: this mail is the last, whatever becomes of us.
            self._mark(backup, MailState.NOT_SENT)
        try:
            self._postbox.send(letter, address)
        except Refused as refusal:
            self._mark(backup, MailState.NOT_SENT)
            return self._not_sent(backup, f"refused: {refusal}", Told.REFUSED)
        except NotTaken as answer:
            if takes_over:
                # Giving the claim back would forget that one mail may be out.
                self._mark(backup, MailState.SENDING)
            else:
                self._store.release_mail(backup.account_id, backup.id)
            raise self._delayed(backup, f"not_taken: {answer}") from None
        except Unanswered as silence:
            if takes_over:
                return self._not_sent(backup, f"unanswered twice: {silence}", Told.REFUSED)
            raise self._delayed(backup, f"unanswered: {silence}") from None
        return self._sent(backup)

    def _mark(self, backup: Backup, state: MailState) -> None:
        self._store.mark_mail(backup.account_id, backup.id, state)

    def _sent(self, backup: Backup) -> Told:
        try:
            self._mark(backup, MailState.SENT)
        except (ClientError, BotoCoreError) as error:
            # The mail is out. Raising would have it sent again; the record understates it instead.
            self._logger.error("sent mail could not be marked", shape=shape_of(error), extra=_ids(backup))
        self._logger.info("mail was sent", outcome=backup.state.value, extra=_ids(backup))
        return Told.SENT

    def _not_sent(self, backup: Backup, why: str, told: Told) -> Told:
        self._logger.warning("mail was not sent", why=why, outcome=backup.state.value, extra=_ids(backup))
        return told

    def _delayed(self, backup: Backup, why: str) -> MailDelayed:
        self._logger.warning("mail was delayed", why=why, outcome=backup.state.value, extra=_ids(backup))
        return MailDelayed(why)


def _settled(backup: Backup) -> bool:
    return backup.mail in (MailState.SENT, MailState.NOT_SENT)


def _is_definite(error: ClientError) -> bool:
    """True for an answer of STS or S3 that stays the same when it is asked again."""
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    throttled = "Throttling" in error.response.get("Error", {}).get("Code", "")
    return 400 <= status < 429 and not throttled


def _ids(backup: Backup) -> dict[str, object]:
    return {"account_id": backup.account_id, "backup_id": backup.id}
