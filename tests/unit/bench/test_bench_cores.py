"""Who is measured has a core to itself, where the machine has one to give, and runs in turns."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bench import both_cores, cores, pages, runner
from bench.run import Measurement
from bench.runner import Runner
from bench.server import serving


def on_a_machine_with(monkeypatch: pytest.MonkeyPatch, there: set[int]) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: there)


def test_a_contender_has_one_core_and_the_server_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    on_a_machine_with(monkeypatch, {1, 4, 6})
    assert cores.contenders() == [6]
    assert cores.servers() == [1, 4]


def test_one_unit_and_its_server_have_one_core_and_two_have_two(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    made = pages.recorded(50, kept_in=tmp_path)
    on_a_machine_with(monkeypatch, {1, 4, 6})
    given: list[tuple[int, ...]] = []
    asked: dict[int, set[str]] = {1: set(), 2: set()}

    @contextmanager
    def serving(_: Path, on: tuple[int, ...], __: object) -> Iterator[str]:
        given.append(tuple(on))
        yield f"http://{len(given)}"

    def run(_: Runner, url: str, __: object, way: str, count: int) -> Measurement:
        asked[count].add(f"{way} {url}")
        return Measurement(1.0, 1.0, 1.0)

    monkeypatch.setattr(runner, "serving", serving)
    monkeypatch.setattr(runner, "ask", lambda *_: None)
    monkeypatch.setattr(Runner, "_run_units", run)
    servers_before: list[int] = []
    measured = Runner(
        tmp_path, lambda _: None, tls=False, before_each=lambda: servers_before.append(len(given))
    )
    measured.units(made, (1, 2), 0.0, lambda _: 2)
    assert given == [(1,), (1, 4)]
    assert asked == {1: {"together http://1"}, 2: {"together http://2"}}
    assert servers_before[0] == 0
    given.clear()
    asked[1].clear()
    asked[2].clear()
    measured.units(made, (1, 2), 0.0, lambda _: 2, alone=True)
    assert given == [(1, 4)]
    assert asked == {1: {"alone http://1"}, 2: {"alone http://1"}}


def test_on_one_core_nobody_is_bound_to_another(monkeypatch: pytest.MonkeyPatch) -> None:
    on_a_machine_with(monkeypatch, {3})
    assert cores.contenders() == cores.servers() == cores.of_units(2) == [3]


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


def test_ours_and_the_limit_run_before_each_peer_of_a_round() -> None:
    assert runner.in_turns(["limit", "ours", "ordinary", "zipstream"], 2) == [
        *("limit", "ours", "ordinary", "limit", "ours", "zipstream"),
        *("limit", "ours", "ordinary", "limit", "ours", "zipstream"),
    ]
    assert runner.in_turns(["limit", "ours"], 3) == ["limit", "ours"] * 3
