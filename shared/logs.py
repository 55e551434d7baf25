"""Structured logs that never hold an account's data.

Only what is passed as a field is logged, and callers pass ids, counts and names out of our own code.
Of an exception the log gets its class and where it was raised, not its text: texts of exceptions quote
what they failed on.
"""

from __future__ import annotations

from types import TracebackType

from aws_lambda_powertools import Logger


def get_logger(service: str) -> Logger:
    """The function's logger: one JSON object a line, with the request's id and cold start on it."""
    return Logger(service=service, log_uncaught_exceptions=False, use_rfc3339=True, utc=True)


def shape_of(error: BaseException) -> list[str]:
    """An exception and its causes as `Class at file:line in function`, innermost frame, without text."""
    shape: list[str] = []
    cause: BaseException | None = error
    while cause is not None and len(shape) < 10:
        shape.append(f"{type(cause).__name__}{_where(cause.__traceback__)}{_aws_code(cause)}")
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)
    return shape


def _where(traceback: TracebackType | None) -> str:
    if traceback is None:
        return ""
    while traceback.tb_next is not None:
        traceback = traceback.tb_next
    code = traceback.tb_frame.f_code
    return f" at {code.co_filename.rpartition('/')[2]}:{traceback.tb_lineno} in {code.co_name}"


def _aws_code(error: BaseException) -> str:
    """AWS's own error code and operation, where there is one: names, not data."""
    response = getattr(error, "response", None)
    if not isinstance(response, dict):
        return ""
    code = response.get("Error", {}).get("Code", "")
    return f" ({getattr(error, 'operation_name', '')}: {code})"
