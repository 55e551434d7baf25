"""Work that a few threads do behind the caller's back: in order within a lane, the lanes side by side.

For what waits on the network. What computes stays with the caller: a Lambda function of the template's size
has one processor.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from contextvars import Context, copy_context
from threading import Condition
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from botocore.client import BaseClient

Work = Callable[[], object]


def threads_for(client: BaseClient, most: int) -> int:
    """As many threads as may use the client at a time: for more it would make connections to throw away."""
    connections: int = client.meta.config.max_pool_connections  # type: ignore[attr-defined]
    return min(most, connections)


class Stopped(Exception):
    """Nothing of this is wanted any more. Ends work that asks; and whoever hands over work after the end."""


class Lanes:
    """Threads, and what was handed over to them: together of size `most`, in whatever unit the caller counts.

        lanes = Lanes(threads=4, most=8 * 1024**2)
        try:
            lanes.hand_over("files.csv", partial(stream.write, chunk), len(chunk))
            lanes.finish()
        except BaseException:
            lanes.stop()
            raise

    The first error of any work is the one that counts: whoever calls next, raises it, and no work is begun
    after it. After `finish` or `stop`, however they end, no thread is left.
    """

    def __init__(self, threads: int, most: int) -> None:
        self._most = most
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="lane")
        self._changed = Condition()  # holds the lock of all that follows
        self._lanes: dict[Hashable, deque[tuple[Context, Work, int]]] = {}  # those with work to do or in hand
        self._size = 0  # of what waits and of what is in hand
        self._end: BaseException | None = None

    def hand_over(self, lane: Hashable, work: Work, size: int = 0) -> None:
        """Have `work` done after all that this lane has, with the caller's context variables.

        Waits for room. What is larger than all the room there is has to be alone. Raises what has failed.
        """
        task = (copy_context(), work, size)
        with self._changed:
            self.wait_for_room(size)
            self._size += size
            if lane in self._lanes:
                self._lanes[lane].append(task)
            else:
                self._lanes[lane] = deque([task])
                self._threads.submit(self._do_next, lane)

    def wait_for_room(self, size: int) -> None:
        """Wait until so much can be handed over at once. Raises what has failed."""
        with self._changed:
            self._changed.wait_for(lambda: self._end or not self._size or self._size + size <= self._most)
            self.check()

    def check(self) -> None:
        """Raise what has failed."""
        if self._end is not None:
            raise self._end

    def still_wanted(self) -> None:
        """For work that takes long: raises Stopped once something has failed, or the caller has gone."""
        if self._end is not None:
            raise Stopped

    def finish(self) -> None:
        """Wait until all is done. Raises what has failed."""
        try:
            with self._changed:
                self._changed.wait_for(lambda: self._end or not self._lanes)
                self.check()
        finally:
            self.stop()

    def stop(self) -> None:
        """Begin nothing more, and wait for what is in hand: a request cannot be called back."""
        with self._changed:
            if self._end is None:
                self._end = Stopped()
            self._lanes.clear()
        self._threads.shutdown(cancel_futures=True)

    def _do_next(self, lane: Hashable) -> None:
        """Do one piece of the lane's work. With more to do, the lane queues behind the others."""
        with self._changed:
            if self._end is not None:
                return
            context, work, size = self._lanes[lane].popleft()
        failure = None
        try:
            context.run(work)
        except BaseException as error:  # noqa: BLE001 - the caller's to look at
            failure = error
        with self._changed:
            self._size -= size
            if self._end is None:
                self._end = failure
            if self._end is None:
                if self._lanes[lane]:
                    self._threads.submit(self._do_next, lane)
                else:
                    del self._lanes[lane]
            self._changed.notify_all()
