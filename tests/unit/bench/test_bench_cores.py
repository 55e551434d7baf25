"""Who is measured has a core to itself, where the machine has one to give."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bench import both_cores, cores, pages
from bench.server import serving


def on_a_machine_with(monkeypatch: pytest.MonkeyPatch, there: set[int]) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: there)


def test_a_contender_has_one_core_and_the_server_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    on_a_machine_with(monkeypatch, {1, 4, 6})
    assert cores.contenders() == [6]
    assert cores.servers() == [1, 4]


def test_on_one_core_nobody_is_bound_to_another(monkeypatch: pytest.MonkeyPatch) -> None:
    on_a_machine_with(monkeypatch, {3})
    assert cores.contenders() == cores.servers() == [3]


def test_the_server_stays_on_the_cores_that_it_is_given(tmp_path: Path) -> None:
    (core, *_) = cores.all_cores()
    made = pages.recorded(20, kept_in=tmp_path)
    before = children()
    with serving(made.directory, [core]) as url:
        assert url.startswith("http://127.0.0.1:")
        (server,) = children() - before
        assert os.sched_getaffinity(server) == {core}


def test_a_loop_on_one_core_is_compared_with_its_halves_on_two(monkeypatch: pytest.MonkeyPatch) -> None:
    on_a_machine_with(monkeypatch, {1, 4, 6})
    seconds = {(1,): 3.0, (1, 4): 2.0}
    turns = {(1,): 100, (1, 4): 50}

    def took(on: list[int], number: int) -> float:
        assert number == turns[tuple(on)]
        return seconds[tuple(on)]

    monkeypatch.setattr(both_cores, "_seconds", took)
    assert both_cores.gains(2, turns=100) == [1.5, 1.5]


def test_loops_run_on_whatever_cores_there_are() -> None:
    assert min(both_cores.gains(2, turns=1_000)) > 0


def children() -> set[int]:
    listed = Path(f"/proc/self/task/{os.getpid()}/children").read_text()
    return set(map(int, listed.split()))
