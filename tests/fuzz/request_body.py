"""Odd bodies and headers for the reader of requests, made by atheris from what new lines of code they reach.

`make fuzz` runs it, in an environment of its own. Every input must end in wishes, or in a refusal that is
short enough to be sent back. One that ends otherwise is left as a file `crash-…`; naming that file as the
only argument tries it again.
"""

from __future__ import annotations

import base64
import json
import sys
from pathlib import Path
from typing import Any

import atheris  # type: ignore[import-untyped]  # it is in .local/fuzz

with atheris.instrument_imports(include=["functions", "shared"]):
    from functions.request_backup.body import MOST_ERRORS, read_choice, read_wishes
    from functions.request_backup.caller import language_of
    from functions.request_backup.refusals import InvalidRequest, MalformedRequest
    from shared.encodings import ENCODING_NAMES

LONGEST_ANSWER = 10_000
FIELDS = ["encoding", "language", "Encoding", "", "account_id"]
TEXTS = [*ENCODING_NAMES, "pt-BR", "rot13", "\ud800", "\0"]
SEEDS = (
    b"{}",
    b'{"encoding": "utf-8", "language": "pt-BR"}',
    b'{"encoding": 1e400, "encoding": NaN}',
    b'{"\\u0065ncoding": [[{"a": "\\ud83d\\ude00"}]], "": null}',
)
# A provider gives numbers from the data's end: these are a JSON type, neither Base64 nor cut, read as it is.
AS_IT_IS = bytes(4)


def text_of(given: Any, depth: int = 4) -> str:
    """A JSON text, or nearly one, with the names and values that the reader looks for."""
    match given.ConsumeIntInRange(0, 7):
        case 0 if depth:
            pairs = [
                f"{json.dumps(given.PickValueInList(FIELDS))}: {text_of(given, depth - 1)}"
                for _ in range(given.ConsumeIntInRange(0, 3))
            ]
            return "{" + ", ".join(pairs) + "}"
        case 1 if depth:
            return (
                "[" + ",".join(text_of(given, depth - 1) for _ in range(given.ConsumeIntInRange(0, 3))) + "]"
            )
        case 2:
            return json.dumps(given.PickValueInList(TEXTS))
        case 3:
            return json.dumps(given.ConsumeUnicode(30), ensure_ascii=given.ConsumeBool())
        case 4:
            return repr(given.ConsumeFloat())
        case 5:
            return str(given.ConsumeInt(40))
        case _:
            return str(given.PickValueInList(["null", "true", "1e400", "-NaN", "", "{"]))


def event_of(data: bytes) -> dict[str, Any]:
    given = atheris.FuzzedDataProvider(data)
    content_type: str | None = "application/json"
    match given.ConsumeIntInRange(0, 15):
        case 13:
            content_type = given.ConsumeUnicode(40)
        case 14:
            content_type = f"application/json; charset={given.ConsumeUnicode(10)}"
        case 15:
            content_type = None
    is_base64, cut, built = given.ConsumeBool(), given.ConsumeBool(), given.ConsumeBool()
    if built:
        raw = (
            "{" + f'"encoding": {text_of(given)}' * given.ConsumeBool() + "}" + text_of(given) * cut
        ).encode("utf-8", "surrogatepass")
    else:
        raw = given.ConsumeBytes(given.remaining_bytes())
    if is_base64:
        body = base64.b64encode(raw).decode()[: -1 if cut else None]
    else:
        # As API Gateway hands text over; lone surrogates stand for what it may make of bytes that are none.
        body = raw.decode("utf-8", "surrogateescape" if cut else "replace")
    return {"headers": {"Content-Type": content_type}, "body": body, "isBase64Encoded": is_base64}


def one(data: bytes) -> None:
    event = event_of(data)
    try:
        wishes = read_wishes(event)
    except (MalformedRequest, InvalidRequest) as refusal:
        look_at(refusal)
    else:
        assert wishes.encoding in (None, *ENCODING_NAMES)
        assert wishes.language is None or wishes.language == language_of(wishes.language)
    try:
        assert read_choice(event) in ENCODING_NAMES
    except (MalformedRequest, InvalidRequest) as refusal:
        look_at(refusal)


def look_at(refusal: MalformedRequest | InvalidRequest) -> None:
    answer = json.dumps({"detail": refusal.detail, **refusal.members})
    assert len(answer) < LONGEST_ANSWER
    errors = refusal.members.get("errors", [])
    assert isinstance(errors, list)
    assert len(errors) <= MOST_ERRORS
    assert isinstance(refusal, InvalidRequest) == bool(errors)


def main(corpus: Path, *settings: str) -> None:
    for number, seed in enumerate(SEEDS):
        (corpus / f"seed-{number}").write_bytes(seed + AS_IT_IS)
    words = Path(__file__).with_name("json.dict")
    atheris.Setup([sys.argv[0], str(corpus), f"-dict={words}", f"-artifact_prefix={corpus}-", *settings], one)
    atheris.Fuzz()


if __name__ == "__main__":
    if Path(sys.argv[1]).is_file():
        one(Path(sys.argv[1]).read_bytes())
    else:
        main(Path(sys.argv[1]), *sys.argv[2:])
