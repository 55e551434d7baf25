"""Refusals and faults as HTTP says them: problem details (RFC 9457)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from http import HTTPStatus

from aws_lambda_powertools.event_handler import Response

from functions.request_backup import refusals
from functions.request_backup.refusals import Refusal

TYPE_PREFIX = "tag:account-backup,2026:"
"""Types are tag URIs (RFC 4151): to compare, not to fetch."""

HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


@dataclass(frozen=True)
class Problem:
    slug: str
    status: HTTPStatus
    title: str
    retry_after_seconds: int | None = None


BY_REFUSAL: dict[type[Refusal], Problem] = {
    refusals.MalformedRequest: Problem(
        "malformed-request", HTTPStatus.BAD_REQUEST, "The request cannot be read"
    ),
    refusals.Unauthorized: Problem("unauthorized", HTTPStatus.UNAUTHORIZED, "Sign in first"),
    refusals.NoAccount: Problem("no-account", HTTPStatus.FORBIDDEN, "Your sign-in belongs to no account"),
    refusals.UnknownAccount: Problem(
        "unknown-account", HTTPStatus.FORBIDDEN, "Your account is not known here"
    ),
    refusals.PlanWithoutBackups: Problem(
        "plan-without-backups", HTTPStatus.FORBIDDEN, "Your plan has no backups"
    ),
    refusals.NotAnAdmin: Problem(
        "not-an-admin", HTTPStatus.FORBIDDEN, "Only administrators of your account may do this"
    ),
    refusals.UnknownBackup: Problem("unknown-backup", HTTPStatus.NOT_FOUND, "There is no such backup"),
    refusals.BackupRunning: Problem(
        "backup-running", HTTPStatus.CONFLICT, "A backup of this account is running"
    ),
    refusals.NotReady: Problem("not-ready", HTTPStatus.CONFLICT, "This backup has no file"),
    refusals.MovedOn: Problem("moved-on", HTTPStatus.CONFLICT, "This backup has moved on"),
    refusals.FileGone: Problem("file-gone", HTTPStatus.GONE, "The file of this backup has been deleted"),
    refusals.InvalidRequest: Problem(
        "invalid-request", HTTPStatus.UNPROCESSABLE_ENTITY, "A field of the request is not acceptable"
    ),
    refusals.StartRefused: Problem(
        "start-refused", HTTPStatus.INTERNAL_SERVER_ERROR, "The backup could not be started"
    ),
}
NO_SUCH_ROUTE = Problem("no-such-route", HTTPStatus.NOT_FOUND, "There is nothing at this address")
UNAVAILABLE = Problem("unavailable", HTTPStatus.SERVICE_UNAVAILABLE, "The service is busy", 2)
INTERNAL = Problem("internal", HTTPStatus.INTERNAL_SERVER_ERROR, "Something went wrong on our side")


def type_of(refusal: Refusal) -> str:
    return TYPE_PREFIX + BY_REFUSAL[type(refusal)].slug


def refused(refusal: Refusal) -> Response[str]:
    return answer(BY_REFUSAL[type(refusal)], refusal.detail, refusal.members)


def answer(problem: Problem, detail: str, members: dict[str, object] | None = None) -> Response[str]:
    headers = dict(HEADERS)
    if problem.retry_after_seconds is not None:
        headers["Retry-After"] = str(problem.retry_after_seconds)
    if problem.status is HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"  # a 401 must have one: RFC 9110, section 15.5.2
    body = {
        "type": TYPE_PREFIX + problem.slug,
        "title": problem.title,
        "status": problem.status.value,
        "detail": detail,
        **(members or {}),
    }
    return Response(problem.status.value, "application/problem+json", json.dumps(body), headers)
