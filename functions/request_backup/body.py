"""The bodies of requests: of one for a backup, `{}` or with an encoding or a language for this backup alone;
of one to set the account's encoding; and of one to set its schedule."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping, Set
from dataclasses import dataclass
from datetime import time
from typing import Any, NoReturn
from zoneinfo import available_timezones

from functions.request_backup.caller import language_of
from functions.request_backup.refusals import InvalidRequest, MalformedRequest
from shared.encodings import ENCODING_NAMES
from shared.schedule import Every, Rhythm

LONGEST_BODY = 2 * 1024**2
"""Bytes. A hundred would do; but whoever sends more is told which field is wrong, not how long it is."""
MOST_ERRORS = 10
"""Whoever has more has not read the description."""
DEEPEST = 100
"""Brackets that may open. Python's parser gives up at a depth of its own, which differs by version."""


@dataclass(frozen=True)
class Wishes:
    """What this backup shall have other than the account's settings; None for as they are."""

    encoding: str | None = None
    language: str | None = None


def read_wishes(event: Mapping[str, Any]) -> Wishes:
    """The wishes for one backup in an API Gateway event.

    Raises MalformedRequest (400) for what is no JSON object in UTF-8, InvalidRequest (422), naming every
    field at fault, for an object with fields that there are not, or whose values are not to be had.
    """
    fields = _object_of(_text_of(event))
    errors = _unknown(fields, {"encoding", "language"})
    encoding, language = fields.get("encoding"), fields.get("language")
    if "encoding" in fields and not _is_offered(encoding):
        errors.append(_OFFERED)
    if "language" in fields and not isinstance(language, str):
        errors.append({"field": "language", "problem": "A language tag, such as nl or pt-BR."})
    _refuse_for(errors)
    return Wishes(encoding=encoding, language=None if language is None else language_of(language))


def read_choice(event: Mapping[str, Any]) -> str:
    """The encoding that the account shall have from now on. Raises what read_wishes raises."""
    fields = _object_of(_text_of(event))
    errors = _unknown(fields, {"encoding"})
    encoding = fields.get("encoding")
    if not _is_offered(encoding):
        errors.append(_OFFERED)
    _refuse_for(errors)
    return str(encoding)


def read_rhythm(event: Mapping[str, Any]) -> Rhythm:
    """The rhythm that the account shall be backed up in. Raises what read_wishes raises."""
    fields = _object_of(_text_of(event))
    every = fields.get("every")
    of_every = {"weekly": {"weekday"}, "monthly": {"day"}}.get(every if isinstance(every, str) else "", set())
    errors = _unknown(fields, {"every", "at", "zone", "keep", *of_every})
    checks = {
        "every": every in list(Every),
        "at": isinstance(fields.get("at"), str) and _TIME.fullmatch(fields["at"]) is not None,
        "zone": isinstance(fields.get("zone"), str) and fields["zone"] in available_timezones() - _NO_ZONES,
        "weekday": "weekday" not in of_every or _is_number(fields.get("weekday"), 7),
        "day": "day" not in of_every or _is_number(fields.get("day"), 31),
        "keep": fields.get("keep") is None or _is_number(fields["keep"], MOST_KEPT),
    }
    errors += [{"field": field, "problem": _RHYTHM[field]} for field, good in checks.items() if not good]
    _refuse_for(errors)
    return Rhythm(
        every=Every(fields["every"]),
        at=time.fromisoformat(fields["at"]),
        zone=fields["zone"],
        **{name: int(fields[name]) for name in ("weekday", "day", "keep") if fields.get(name) is not None},
    )


MOST_KEPT = 100
_TIME = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]", re.ASCII)
_NO_ZONES = {"localtime"}  # some systems have the one of the machine under this name
_RHYTHM = {
    "every": f"One of: {', '.join(Every)}.",
    "at": "A time of day, such as 02:30.",
    "zone": "A time zone by its IANA name, such as Europe/Amsterdam.",
    "weekday": "1 (Monday) to 7 (Sunday).",
    "day": "1 to 31. In shorter months it is the last day.",
    "keep": f"1 to {MOST_KEPT}, or null for all until they expire.",
}


def _is_number(value: object, most: int) -> bool:
    """Whether it is a whole number from 1; 1.0 is one too (JSON Schema 2020-12, section 4.2.3)."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return 1 <= value <= most and value == int(value)


_OFFERED = {"field": "encoding", "problem": f"One of: {', '.join(ENCODING_NAMES)}."}


def _is_offered(encoding: object) -> bool:
    return isinstance(encoding, str) and encoding in ENCODING_NAMES


def _unknown(fields: Mapping[str, Any], known: Set[str]) -> list[dict[str, str]]:
    return [
        {"field": field[:50], "problem": "There is no such field."} for field in fields if field not in known
    ]


def _refuse_for(errors: list[dict[str, str]]) -> None:
    if errors:
        told = errors[:MOST_ERRORS]
        raise InvalidRequest(f"Look at: {', '.join(error['field'] for error in told)}.", errors=told)


def _text_of(event: Mapping[str, Any]) -> str:
    headers = {name.lower(): value for name, value in (event.get("headers") or {}).items()}
    media_type, _, parameters = str(headers.get("content-type", "application/json")).partition(";")
    if media_type.strip().lower() != "application/json":
        raise MalformedRequest("The body must be JSON: Content-Type: application/json.")
    charset = parameters.strip().lower().replace('"', "")
    if charset and charset not in {"charset=utf-8", "charset=utf8", "charset=us-ascii"}:
        raise MalformedRequest("JSON is in UTF-8 (RFC 8259, section 8.1).")
    body = event.get("body") or ""
    if len(body) > LONGEST_BODY * 2:
        raise MalformedRequest(f"The body may have {LONGEST_BODY} bytes at most.")
    try:
        raw = base64.b64decode(body, validate=True) if event.get("isBase64Encoded") else body.encode()
        text = raw.decode()
    except ValueError:  # of base64 and of UTF-8
        raise MalformedRequest("JSON is in UTF-8 (RFC 8259, section 8.1).") from None
    if len(raw) > LONGEST_BODY:
        raise MalformedRequest(f"The body may have {LONGEST_BODY} bytes at most.")
    if not text.strip():
        raise MalformedRequest("The body is empty. Send a JSON object, such as {}.")
    return text


def _object_of(text: str) -> dict[str, Any]:
    if text.count("{") + text.count("[") > DEEPEST:
        raise MalformedRequest("The body is nested too deeply.")
    try:
        value = json.loads(
            text, object_pairs_hook=_without_duplicates, parse_constant=_refuse_constant, parse_float=_finite
        )
    except (ValueError, RecursionError):
        raise MalformedRequest("The body is not JSON (RFC 8259).") from None
    if not isinstance(value, dict):
        raise MalformedRequest("The body must be a JSON object, such as {}.")
    return value


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise MalformedRequest("The body names a field twice.")
    return fields


def _refuse_constant(_constant: str) -> NoReturn:
    raise ValueError("NaN and Infinity are not JSON")


def _finite(number: str) -> float:
    value = float(number)
    if value in (float("inf"), float("-inf")):
        raise ValueError("a number beyond what can be held")
    return value
