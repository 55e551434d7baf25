"""The API's routes: each parses, asks the desk, and answers. openapi.yaml describes them."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import urlencode

from aws_lambda_powertools import Logger
from aws_lambda_powertools.event_handler import APIGatewayRestResolver, CORSConfig, Response
from aws_lambda_powertools.event_handler.exceptions import NotFoundError
from botocore.exceptions import BotoCoreError, ClientError

from functions.request_backup import problems
from functions.request_backup.body import read_choice, read_rhythm, read_wishes
from functions.request_backup.caller import Caller, identify
from functions.request_backup.desk import Desk
from functions.request_backup.refusals import Refusal, StartRefused
from functions.request_backup.site import Site
from functions.request_backup.views import (
    audit_view,
    backup_view,
    link_view,
    overview_view,
    schedule_view,
)
from shared import metrics
from shared.aws_errors import may_pass
from shared.logs import shape_of
from shared.metrics import Meter
from shared.moments import Clock

OPENAPI = Path(__file__).with_name("openapi.yaml")


def make_api(
    desk: Desk, site: Site, *, clock: Clock, logger: Logger, meter: Meter, tab_origin: str | None = None
) -> APIGatewayRestResolver:
    """`tab_origin` is the origin of a page that is not ours and shows backups too."""
    api = APIGatewayRestResolver(
        cors=CORSConfig(allow_origin=tab_origin, allow_headers=["Authorization"]) if tab_origin else None
    )

    def caller() -> Caller:
        event = api.current_event.raw_event
        authorizer = event["requestContext"].get("authorizer") or {}
        return identify(authorizer.get("claims") or {}, app_client_id=event["stageVariables"]["appClientId"])

    def header(name: str) -> str | None:
        headers = api.current_event.raw_event.get("headers") or {}
        return next((value for key, value in headers.items() if key.lower() == name), None)

    @api.get("/backups")
    def overview() -> Response[str]:
        query = api.current_event.query_string_parameters or {}
        return _answer(200, overview_view(desk.overview(caller(), before=query.get("before")), clock()))

    @api.post("/backups")
    def request() -> Response[str]:
        asking = caller()
        backup, start = desk.request(asking, read_wishes(api.current_event.raw_event))
        logger.info("backup requested", backup_id=backup.id, account_id=backup.account_id, start=start.value)
        # Relative to this request's own address (RFC 9110, section 10.2.2), under whatever domain and stage.
        return _answer(202, backup_view(backup, clock()), {"Location": f"backups/{backup.id}"})

    @api.get("/backups/<backup_id>")
    def show(backup_id: str) -> Response[str]:
        return _answer(200, backup_view(desk.show(caller(), backup_id), clock()))

    @api.delete("/backups/<backup_id>")
    def remove(backup_id: str) -> Response[str]:
        query = api.current_event.query_string_parameters or {}
        backup = desk.remove(caller(), backup_id, seen=query.get("expect"))
        return _answer(200, backup_view(backup, clock()))

    @api.post("/backups/<backup_id>/download-url")
    def download_url(backup_id: str) -> Response[str]:
        asking = caller()
        backup, link = desk.download(asking, backup_id)
        logger.info("link made", backup_id=backup.id, account_id=backup.account_id, user=asking.person.sub)
        meter.note({metrics.LINKS_MADE: 1}, backup_id=backup.id)
        return _answer(200, link_view(backup, link))

    @api.put("/settings")
    def settings() -> Response[str]:
        asking = caller()
        encoding = read_choice(api.current_event.raw_event)
        desk.choose_encoding(asking, encoding)
        logger.info(
            "encoding chosen", account_id=asking.account_id, encoding=encoding, user=asking.person.sub
        )
        return _answer(200, {"encoding": encoding})

    @api.get("/schedule")
    def schedule() -> Response[str]:
        return _answer(200, schedule_view(desk.schedule(caller())))

    @api.put("/schedule")
    def set_schedule() -> Response[str]:
        asking = caller()
        wanted = desk.set_schedule(asking, read_rhythm(api.current_event.raw_event))
        logger.info("schedule set", account_id=asking.account_id, user=asking.person.sub)
        return _answer(200, schedule_view(wanted))

    @api.delete("/schedule")
    def drop_schedule() -> Response[str]:
        asking = caller()
        desk.drop_schedule(asking)
        logger.info("schedule dropped", account_id=asking.account_id, user=asking.person.sub)
        return _answer(200, schedule_view(None))

    @api.get("/audit")
    def audit() -> Response[str]:
        query = api.current_event.query_string_parameters or {}
        return _answer(200, audit_view(desk.audit(caller(), before=query.get("before"))))

    @api.get("/")
    def page() -> Response[str]:
        event = api.current_event.raw_event
        path = event["requestContext"].get("path") or "/"
        if not path.endswith("/"):  # the page's own addresses are relative
            query = urlencode(event.get("queryStringParameters") or {})
            location = f"{path.rpartition('/')[2]}/{'?' if query else ''}{query}"
            return Response(308, None, "", {"Location": location, "Cache-Control": "no-store"})
        stage = event["stageVariables"]
        return site.page(
            sign_in=stage["signIn"],
            client_id=stage["appClientId"],
            accept_language=header("accept-language") or "",
        )

    @api.get("/page/<file>")
    def page_file(file: str) -> Response[str]:
        query = api.current_event.query_string_parameters or {}
        answer = site.words(
            file, locale=query.get("locale"), accept_language=header("accept-language") or ""
        ) or site.file(file, known=header("if-none-match"))
        return answer or problems.answer(problems.NO_SUCH_ROUTE, "openapi.yaml lists what there is.")

    @api.get("/openapi.yaml")
    def description() -> Response[str]:
        # RFC 9512 names the media type.
        return Response(200, "application/yaml", OPENAPI.read_text(), {"Cache-Control": "max-age=300"})

    def refuse(refusal: Refusal) -> Response[str]:
        log = logger.error if isinstance(refusal, StartRefused) else logger.info
        log("request refused", reason=type(refusal).__name__)
        meter.note({metrics.REFUSED: 1}, by=type(refusal).__name__)
        return problems.refused(refusal)

    def aws_fault(error: ClientError | BotoCoreError) -> Response[str]:
        if may_pass(error):
            logger.warning("request put off", error=shape_of(error))
            return problems.answer(problems.UNAVAILABLE, "Try again in a moment.")
        return fault(error)

    def fault(error: Exception) -> Response[str]:
        logger.error("request failed", error=shape_of(error))
        return problems.answer(problems.INTERNAL, "It has been logged. Try again later.")

    def no_such_route(_error: NotFoundError) -> Response[str]:
        return problems.answer(problems.NO_SUCH_ROUTE, "openapi.yaml lists what there is.")

    api.exception_handler(Refusal)(refuse)
    api.exception_handler([ClientError, BotoCoreError])(aws_fault)
    api.exception_handler(Exception)(fault)
    api.not_found(no_such_route)
    return api


def _answer(status: int, body: dict[str, object], headers: dict[str, str] | None = None) -> Response[str]:
    return Response(status, "application/json", json.dumps(body), problems.HEADERS | (headers or {}))
