"""Processes that stop before each call to AWS, until the test says how that call goes.

Threads, of which one runs at a time: whoever resumes a process waits until it stops again. So any order of
any number of processes' calls can be tried, and one that is never resumed is dead.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextvars import ContextVar
from datetime import datetime
from typing import Any, TypeVar

from botocore.exceptions import ReadTimeoutError

GO = "goes well"
LOST = "is carried out, and its answer lost"
CUT = "never arrives"
REFUSED = "is answered with an error that passes"
DIES_BEFORE = "is never made: the process dies"
DIES_AFTER = "is the last: the process dies after it"
ENDS = (GO, LOST, CUT, REFUSED, DIES_BEFORE, DIES_AFTER)

_Answer = TypeVar("_Answer")
_process: ContextVar[Process | None] = ContextVar("process", default=None)
"""Whose call it is, also from threads that the process has made: uploads' have its context."""


class Died(BaseException):
    """The Lambda function was killed here."""


class Process:
    """`at` is the call before which it has stopped, or at which it has died.

    `result` or `error` is there when it is `over`.
    """

    def __init__(self, kind: str, action: Callable[[], Any], *, backup_id: str, deadline: datetime) -> None:
        self.kind = kind
        self.backup_id = backup_id
        self.deadline = deadline
        self.at = ""
        self.begun = False
        self.over = False
        self.result: Any = None
        self.error: BaseException | None = None
        self._action = action
        self._killed = False
        self._stop: int | str | None = 0
        self._ending = GO
        self._resumed, self._stopped = threading.Semaphore(0), threading.Semaphore(0)
        self._thread = threading.Thread(target=self._run, daemon=True)

    def resume(self, ending: str = GO, stop: int | str | None = None) -> None:
        """Let the call `at` end so, and the process go on: for so many calls, or until one of that name, or,
        with None, to its end."""
        if self.over:
            return
        self._ending, self._stop = ending, stop
        if self.begun:
            self._resumed.release()
        else:
            self.begun = True
            self._thread.start()
        self._stopped.acquire()

    def kill(self) -> None:
        self._killed = True
        if not self.begun:
            self.over, self.error = True, Died()
        self.resume()

    def died(self) -> bool:
        return isinstance(self.error, Died)

    def _run(self) -> None:
        _process.set(self)
        try:
            self.result = self._action()
        except BaseException as error:  # noqa: BLE001 - whoever resumes looks at it
            self.error = error
        self.over = True
        self._stopped.release()

    def _before(self, operation: str) -> str:
        if self._killed:
            raise Died
        if self._stop is None or (isinstance(self._stop, str) and self._stop != operation):
            return GO
        if isinstance(self._stop, int) and self._stop > 0:
            self._stop -= 1
            return GO
        self.at = operation
        self._stopped.release()
        self._resumed.acquire()
        if self._killed:
            raise Died
        return self._ending


def current() -> Process | None:
    return _process.get()


def call(operation: str, carry_out: Callable[[], _Answer], refuse: Callable[[], _Answer]) -> _Answer:
    """One call to AWS, which ends as the test wants; calls outside of all processes go well."""
    process = current()
    ending = process._before(operation) if process else GO
    match ending:
        case "goes well":
            return carry_out()
        case "is answered with an error that passes":
            return refuse()
        case "is carried out, and its answer lost":
            carry_out()
        case "is the last: the process dies after it":
            carry_out()
    if process and ending in (DIES_BEFORE, DIES_AFTER):
        process._killed = True
        raise Died
    raise ReadTimeoutError(endpoint_url="https://aws")
