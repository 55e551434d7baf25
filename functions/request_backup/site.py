"""The Backups page: the files of `page/` over HTTP, in the reader's language."""

from __future__ import annotations

import hashlib
import html
import json
import re
from collections.abc import Mapping
from functools import cache
from http import HTTPStatus
from pathlib import Path
from string import Template
from urllib.parse import urlsplit

from aws_lambda_powertools.event_handler import Response

from shared.languages import Languages

DIRECTORY = Path(__file__).with_name("page")
NO_SIGN_IN = "none"
"""What the stage says where no hosted sign-in leads to this page."""

PARTS = frozenset({"chooser", "question", "running", "schedule", "trail"})
"""Scripts that are loaded when what they show is wanted, and then with words of their own."""

_TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
# Asked for again at each visit, mostly answered with 304: no page is made of old files and new ones.
_KEPT = {"Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff"}
# Any page may load the element from here; what it shows needs a token all the same.
_ANY_ORIGIN = {"Access-Control-Allow-Origin": "*"}
_WEIGHT = re.compile(r"q=(0(\.\d{0,3})?|1(\.0{0,3})?)")  # RFC 9110, section 12.4.2


class Site:
    """`product` is the product's name, `frame_ancestors` a list of sources as CSP (level 3) has them."""

    def __init__(self, languages: Languages, *, product: str, frame_ancestors: str) -> None:
        self._languages = languages
        self._product = product
        self._frame_ancestors = frame_ancestors

    def page(self, *, sign_in: str, client_id: str, accept_language: str) -> Response[str]:
        """The page itself. `sign_in` is the hosted sign-in's address without a slash at its end."""
        language, _ = self._languages.chosen(_tags(accept_language))
        words = {
            "title": "page.title",
            "account_settings": "page.account_settings",
            "loading": "shell.loading",
            "needs_script": "shell.needs_script",
            "unreachable": "page.problems.unreachable",
            "not_signed_in": "shell.not_signed_in",
            "no_sign_in": "shell.no_sign_in",
            "retry": "page.actions.retry",
            "sign_in_again": "page.actions.sign_in",
        }
        fields = {name: language.says(key) for name, key in words.items()} | {
            "lang": language.code,
            "product": self._product,
            "sign_in": sign_in,
            "client_id": client_id,
        }
        template = Template((DIRECTORY / "index.html").read_text("utf-8"))
        body = template.substitute({name: html.escape(value) for name, value in fields.items()})
        headers = {
            "Content-Language": language.code,
            "Content-Security-Policy": self._policy(sign_in),
            "Referrer-Policy": "no-referrer",
            "X-Content-Type-Options": "nosniff",
            "Cache-Control": "no-store",
            "Strict-Transport-Security": "max-age=31536000",
            "Vary": "Accept-Language",
        }
        return Response(HTTPStatus.OK, "text/html; charset=utf-8", body, headers)

    def file(self, name: str, *, known: str | None) -> Response[str] | None:
        """A file of the page; 304 where the browser has it, by the tags in `known`; None if there is none."""
        content = _files().get(name)
        if content is None:
            return None
        body, tag = content
        headers = _KEPT | _ANY_ORIGIN | {"ETag": tag}
        if known is not None and tag in (each.strip() for each in known.split(",")):
            return Response(HTTPStatus.NOT_MODIFIED, None, "", headers)
        return Response(HTTPStatus.OK, f"{_TYPES[Path(name).suffix]}; charset=utf-8", body, headers)

    def words(self, name: str, *, locale: str | None, accept_language: str) -> Response[str] | None:
        """The words of the page (`words.json`) or of one of its PARTS (`trail.json`); None for other names.

        In the language of the user's `locale`, else the browser's, else English.
        """
        language, tag = self._languages.chosen([*([locale] if locale else []), *_tags(accept_language)])
        part, _, kind = name.partition(".")
        if kind == "json" and part in PARTS:
            body: dict[str, object] = {part: language.table(part)}
        elif name == "words.json":
            body = {
                "language": language.code,
                "locale": language.forms_for(tag),
                **{key: language.words[key] for key in ("byte", "sizes", "size")},
                "reasons": language.table("reasons"),
                **language.table("page"),
            }
        else:
            return None
        headers = _KEPT | _ANY_ORIGIN | {"Content-Language": language.code, "Vary": "Accept-Language"}
        return Response(
            HTTPStatus.OK,
            "application/json",
            json.dumps(body, ensure_ascii=False, separators=(",", ":")),
            headers,
        )

    def _policy(self, sign_in: str) -> str:
        """What the page may do (CSP level 3): its own scripts and styles, its API, the sign-in host."""
        address = urlsplit(sign_in)
        host = "" if sign_in == NO_SIGN_IN else f" {address.scheme}://{address.netloc}"
        return "; ".join(
            [
                "default-src 'none'",
                "script-src 'self'",
                "style-src 'self'",
                "img-src 'self'",
                f"connect-src 'self'{host}",
                "base-uri 'none'",
                "form-action 'none'",
                f"frame-ancestors {self._frame_ancestors}",
                "require-trusted-types-for 'script'",
                "trusted-types lit-html",
            ]
        )


@cache
def _files() -> Mapping[str, tuple[str, str]]:
    """Name to content and ETag. A request's text is looked up among them and never is a path."""
    files: dict[str, tuple[str, str]] = {}
    for path in DIRECTORY.iterdir():
        if path.suffix in _TYPES:
            content = path.read_bytes()
            files[path.name] = (content.decode(), f'"{hashlib.sha256(content).hexdigest()[:32]}"')
    return files


def _tags(accept_language: str) -> list[str]:
    """The header's language tags, the most wanted first (RFC 9110, section 12.5.4)."""
    weighed: list[tuple[float, str]] = []
    for part in accept_language[:500].split(","):
        tag, _, parameter = part.strip().partition(";")
        weight = _WEIGHT.fullmatch(parameter.strip())
        weighed.append((float(weight[1]) if weight else 1.0, tag.strip()))
    by_weight = sorted(weighed, key=lambda each: -each[0])
    return [tag for weight, tag in by_weight if weight > 0]
