"""Lanes: order within each, all of them side by side, little waiting, one error, no thread left."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from contextvars import ContextVar
from functools import partial
from typing import Any

import boto3
import pytest
from botocore.config import Config
from hypothesis import given
from hypothesis import strategies as st

from functions.export_backup.lanes import Lanes, Stopped, threads_for

PATIENCE_SECONDS = 30


class Refused(Exception):
    """What work may fail with."""


class Gate:
    """Holds up work that passes through it, until it is opened."""

    def __init__(self) -> None:
        self._reached, self._open = threading.Event(), threading.Event()

    def pass_through(self) -> None:
        self._reached.set()
        assert self._open.wait(PATIENCE_SECONDS), "nobody opened the gate"

    def wait_until_reached(self) -> None:
        assert self._reached.wait(PATIENCE_SECONDS), "nobody came to the gate"

    def open(self) -> None:
        self._open.set()


def refuse() -> None:
    raise Refused


def failing_with_the_next(lanes: Lanes) -> Refused:
    """Hands work over until something has failed, and returns that."""
    try:
        while True:
            lanes.hand_over("next", lambda: None)
    except Refused as refused:
        return refused


@given(
    st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(0, 30)), max_size=60),
    st.integers(1, 4),
    st.integers(0, 60),
)
def test_work_is_done_in_order_by_lane_and_no_more_waits_than_there_is_room_for(
    tasks: list[tuple[str, int]], threads: int, most: int
) -> None:
    lock = threading.Lock()
    done: list[tuple[str, int]] = []
    busy: Counter[str] = Counter()
    size_handed_over = size_done = peak = 0

    def work(number: int, lane: str, size: int) -> None:
        nonlocal size_done
        with lock:
            busy[lane] += 1
            assert busy[lane] == 1, "two threads in one lane"
        with lock:
            busy[lane] -= 1
            done.append((lane, number))
            size_done += size

    lanes = Lanes(threads, most)
    for number, (lane, size) in enumerate(tasks):
        lanes.hand_over(lane, partial(work, number, lane, size), size)
        with lock:
            size_handed_over += size
            peak = max(peak, size_handed_over - size_done)
    lanes.finish()
    assert sorted(done, key=lambda one: one[1]) == [(lane, number) for number, (lane, _) in enumerate(tasks)]
    for lane in "abcdef":
        numbers = [number for its_lane, number in done if its_lane == lane]
        assert numbers == sorted(numbers)
    assert peak <= max(most, *(size for _, size in tasks), 0)


def test_lanes_go_side_by_side_and_the_caller_goes_on() -> None:
    lanes = Lanes(3, 0)
    meeting = threading.Barrier(4)
    for lane in range(3):
        lanes.hand_over(lane, partial(meeting.wait, PATIENCE_SECONDS))
    meeting.wait(PATIENCE_SECONDS)
    lanes.finish()


def test_a_lane_that_hangs_holds_up_no_other() -> None:
    lanes, gate = Lanes(2, 10), Gate()
    done = threading.Event()
    for _ in range(5):
        lanes.hand_over("hanging", gate.pass_through)
    lanes.hand_over("other", done.set)
    assert done.wait(PATIENCE_SECONDS)
    gate.open()
    lanes.finish()


def test_lanes_with_much_to_do_let_a_new_one_have_its_turn() -> None:
    lanes, gate = Lanes(1, 10), Gate()
    turns: list[str] = []
    lanes.hand_over("long", gate.pass_through)
    for _ in range(3):
        lanes.hand_over("long", partial(turns.append, "long"))
    lanes.hand_over("new", partial(turns.append, "new"))
    gate.open()
    lanes.finish()
    assert turns in (["new", "long", "long", "long"], ["long", "new", "long", "long"])


def test_whoever_hands_over_waits_for_room() -> None:
    lanes, gate = Lanes(1, 10), Gate()
    lanes.hand_over("a", gate.pass_through, 4)
    lanes.hand_over("a", lambda: None, 6)
    through = threading.Event()

    def hand_over() -> None:
        lanes.hand_over("a", lambda: None, 1)
        through.set()

    caller = threading.Thread(target=hand_over)
    caller.start()
    assert not through.wait(0.05)
    gate.open()
    assert through.wait(PATIENCE_SECONDS)
    caller.join()
    lanes.finish()


def test_what_is_larger_than_all_room_goes_alone() -> None:
    lanes = Lanes(2, 10)
    sizes: list[int] = []
    for size in (100, 1, 100):
        lanes.hand_over(size, partial(sizes.append, size), size)
    lanes.finish()
    assert sorted(sizes) == [1, 100, 100]


def test_work_has_its_callers_context_variables() -> None:
    name, seen = ContextVar("name", default="nobody"), []
    lanes = Lanes(1, 10)
    for value in ("Ann", "Bob"):
        name.set(value)
        lanes.hand_over("a", lambda: seen.append(name.get()))
    lanes.finish()
    assert seen == ["Ann", "Bob"]


@pytest.mark.parametrize(("connections", "threads"), [(1, 1), (3, 3), (10, 4)])
def test_there_are_no_more_threads_than_the_client_has_connections(connections: int, threads: int) -> None:
    client: Any = boto3.client("s3", config=Config(max_pool_connections=connections))
    assert threads_for(client, 4) == threads


# --- errors ---


def test_the_next_to_hand_over_raises_what_has_failed_and_so_does_the_end() -> None:
    lanes = Lanes(2, 10)
    lanes.hand_over("a", refuse)
    first = failing_with_the_next(lanes)
    with pytest.raises(Refused) as again:
        lanes.finish()
    assert again.value is first


def test_the_end_raises_what_has_failed() -> None:
    lanes = Lanes(2, 10)
    lanes.hand_over("a", refuse)
    with pytest.raises(Refused):
        lanes.finish()


def test_nothing_is_begun_after_a_failure_and_whoever_waits_for_room_is_told() -> None:
    lanes, gate = Lanes(1, 10), Gate()
    done: list[str] = []

    def fail() -> None:
        gate.pass_through()
        raise Refused

    lanes.hand_over("a", fail, 10)
    for lane in "ab":
        lanes.hand_over(lane, partial(done.append, lane))
    threading.Timer(0.02, gate.open).start()
    with pytest.raises(Refused):
        lanes.wait_for_room(1)
    with pytest.raises(Refused):
        lanes.finish()
    assert not done


def test_the_first_of_two_failures_counts() -> None:
    class Later(Exception):
        pass

    lanes, gate = Lanes(2, 10), Gate()

    def fail_later() -> None:
        gate.pass_through()
        raise Later

    lanes.hand_over("later", fail_later)
    gate.wait_until_reached()
    lanes.hand_over("first", refuse)
    failing_with_the_next(lanes)
    gate.open()
    with pytest.raises(Refused):
        lanes.finish()


def test_an_interrupt_of_work_is_its_callers() -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    lanes = Lanes(1, 10)
    lanes.hand_over("a", interrupt)
    with pytest.raises(KeyboardInterrupt):
        lanes.finish()


def test_long_work_sees_that_something_else_has_failed() -> None:
    lanes, begun, ended = Lanes(2, 10), threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        try:
            while True:
                lanes.still_wanted()
        except Stopped:
            ended.set()
            raise

    lanes.hand_over("long", work)
    assert begun.wait(10)  # what has not begun when something fails never does
    lanes.hand_over("short", refuse)
    with pytest.raises(Refused):
        lanes.finish()
    assert ended.is_set()


# --- no thread is left ---


def stop_in_the_middle(lanes: Lanes) -> None:
    gate = Gate()
    done: list[str] = []
    lanes.hand_over("a", gate.pass_through)
    lanes.hand_over("a", partial(done.append, "never begun"))
    gate.wait_until_reached()
    threading.Timer(0.02, gate.open).start()
    lanes.stop()
    assert not done


def finish_what_fails(lanes: Lanes) -> None:
    lanes.hand_over("a", refuse)
    with pytest.raises(Refused):
        lanes.finish()


def finish_well(lanes: Lanes) -> None:
    for lane in range(5):
        lanes.hand_over(lane, lambda: None)
    lanes.finish()


@pytest.mark.parametrize(
    "use", [finish_well, finish_what_fails, stop_in_the_middle, Lanes.finish, Lanes.stop]
)
def test_after_the_end_no_thread_is_left_and_nothing_can_be_handed_over(use: Callable[[Lanes], None]) -> None:
    lanes = Lanes(3, 10)
    use(lanes)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("lane")]
    with pytest.raises((Stopped, Refused)):
        lanes.hand_over("a", lambda: None)
    lanes.stop()
