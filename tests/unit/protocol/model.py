"""The protocol by itself, small enough that every order of its steps can be tried.

One account, a few requests, the pending record, executions named by the backup's id, the workers that an
execution calls (and that live on when it has given them up), sweepers, the rule on an execution's end. Each
transition is one atomic write or answer, so a crash lies between any two: a process that takes no further
step has crashed. Variants of the protocol, ours and some that look as good, are switches of this one model.

What is taken for granted: a request's Lambda is dead before a lease runs out (29 seconds against three
minutes), and where StartExecution is refused for good, it is so for whoever asks at that moment.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

STEPS = ("plan", "assemble", "ready", "fail")
NEXT = {"plan": "assemble", "assemble": "ready", "ready": "well"}
SYSTEM, PEOPLE, FAULT = "system", "people", "fault"


@dataclass(frozen=True)
class Variant:
    """The protocol, and what may be wrong with it; and how much of everything there is."""

    sweeper: bool = True
    event_rule: bool = True
    lease_hands_over: bool = False
    unclear_start_frees: bool = False
    old_is_failed: bool = False
    unconditional: bool = False
    requests: int = 2
    sweepers: int = 2
    workers: int = 2


class Backup(NamedTuple):
    asked: str = "no"
    """The request's own process: no, put, unclear, refused, gone."""
    run: str = "none"
    """The execution: none, a step's name, well, badly at <step>."""
    workers: tuple[str, ...] = ()
    """Steps that some Lambda has begun and not written yet, the late ones of given-up attempts among them."""
    ended: str = ""
    archive: bool = False
    let_go: bool = False
    """Cancelled, redriven by hand, or ended by its own run: while that still runs, it is no live backup."""

    def has_ended(self) -> bool:
        return self.run == "well" or self.run.startswith("badly")

    def ended_badly(self) -> Backup:
        # Only a redrive brings it back, which lets it go again: one state where there would be two.
        return self._replace(run=f"badly at {self.run}", let_go=False)


class State(NamedTuple):
    lock: int | None
    lease_out: bool
    backups: tuple[Backup, ...]
    sweepers: tuple[tuple[str, int], ...] = ()


class Move(NamedTuple):
    what: str
    by: str
    then: State


class Broken(NamedTuple):
    """An invariant that does not hold, and the shortest way there."""

    invariant: str
    trace: tuple[str, ...]

    def __str__(self) -> str:
        steps = "\n".join(f"  {number:2}. {what}" for number, what in enumerate(self.trace, 1))
        return f"{self.invariant}:\n{steps}"


def start_of(variant: Variant) -> State:
    return State(None, False, (Backup(),) * variant.requests)


def _with(state: State, number: int, backup: Backup) -> State:
    backups = (*state.backups[:number], backup, *state.backups[number + 1 :])
    return State(state.lock, state.lease_out, backups, state.sweepers)


def _finish(state: State, number: int, outcome: str, variant: Variant, *, own: bool = False) -> State | None:
    """The finishing transaction; None where it is refused. Doing it again does nothing."""
    backup = state.backups[number]
    if not variant.unconditional:
        if backup.ended == outcome:
            return state
        if state.lock != number or backup.ended:
            return None
    ended = backup._replace(
        ended=outcome,
        let_go=(backup.let_go or own) and not backup.has_ended(),
        archive=backup.archive and outcome == "ready",  # what nobody will fetch is cleaned away
    )
    return _with(state._replace(lock=None, lease_out=False), number, ended)


def moves(state: State, variant: Variant) -> Iterator[Move]:
    """All that can happen next."""
    yield from _request(state, variant)
    for number in range(variant.requests):
        yield from _asking(state, number, variant)
        yield from _workflow(state, number, variant)
        yield from _working(state, number, variant)
        yield from _people(state, number, variant)
    yield from _sweeping(state, variant)
    if state.lock is not None and not state.lease_out:
        late = _with(state, state.lock, state.backups[state.lock]._replace(asked="gone"))
        yield Move(f"the lease of {state.lock} runs out", SYSTEM, late._replace(lease_out=True))


def _request(state: State, variant: Variant) -> Iterator[Move]:
    new = next((number for number, one in enumerate(state.backups) if one.asked == "no"), None)
    free = state.lock is None or (variant.lease_hands_over and state.lease_out)
    if new is not None and free:
        put = _with(state, new, Backup(asked="put"))
        yield Move(f"request {new} puts its pending record", PEOPLE, put._replace(lock=new, lease_out=False))


def _asking(state: State, number: int, variant: Variant) -> Iterator[Move]:
    backup = state.backups[number]
    gone = backup._replace(asked="gone")
    started = gone._replace(run="plan") if gone.run == "none" else gone
    unclear = "unclear" if variant.unclear_start_frees else "gone"
    match backup.asked:
        case "put":
            yield Move(f"request {number} dies before StartExecution", FAULT, _with(state, number, gone))
            yield Move(f"request {number} starts its execution", PEOPLE, _with(state, number, started))
            lost = _with(state, number, started._replace(asked=unclear))
            yield Move(f"request {number} starts its execution, the answer is lost", FAULT, lost)
            cut = _with(state, number, backup._replace(asked=unclear))
            yield Move(f"request {number}'s StartExecution does not arrive", FAULT, cut)
            refused = _with(state, number, backup._replace(asked="refused"))
            yield Move(f"request {number}'s StartExecution is refused", FAULT, refused)
        case "unclear":
            freed = state._replace(lock=None, lease_out=False) if state.lock == number else state
            yield Move(f"request {number} deletes its record", PEOPLE, _with(freed, number, gone))
        case "refused":
            closed = _finish(_with(state, number, gone), number, "failed", variant)
            yield Move(f"request {number} closes as failed", PEOPLE, closed or _with(state, number, gone))
            yield Move(f"request {number} dies before closing", FAULT, _with(state, number, gone))


def _workflow(state: State, number: int, variant: Variant) -> Iterator[Move]:
    """Step Functions' own steps: to call a worker, to give up, to be aborted."""
    backup = state.backups[number]
    step = backup.run
    if step not in STEPS:
        return
    badly = backup.ended_badly()
    may_call = step not in backup.workers and sum(len(one.workers) for one in state.backups) < variant.workers
    if may_call:
        called = backup._replace(workers=tuple(sorted((*backup.workers, step))))
        if step == "ready" and backup.ended == "ready":
            called = backup._replace(run="well", let_go=False)  # an earlier try, whose answer was lost
        elif step == "fail" and backup.ended == "failed":
            called = badly
        elif step != "plan" and state.lock != number:
            called = badly  # Superseded: it reads before it writes
        elif step == "ready" and not backup.archive:
            called = backup._replace(run="fail")
        yield Move(f"run {number} calls {step}", SYSTEM, _with(state, number, called))
    given_up = badly if step == "fail" else backup._replace(run="fail")
    yield Move(f"run {number} gives {step} up", FAULT, _with(state, number, given_up))
    yield Move(f"run {number} is aborted or times out at {step}", FAULT, _with(state, number, badly))


def _working(state: State, number: int, variant: Variant) -> Iterator[Move]:
    """The workers' writes, in time or late, their answers heard or lost."""
    backup = state.backups[number]
    for step in backup.workers:
        left = backup._replace(workers=tuple(one for one in backup.workers if one != step))
        before = _with(state, number, left)
        yield Move(f"{step} of {number} dies before its write", FAULT, before)
        wrote = _written(before, number, step, variant)
        if wrote is None:
            if left.run == step:
                left = left.ended_badly()
            yield Move(f"{step} of {number} is refused", SYSTEM, _with(before, number, left))
        elif wrote.backups[number].run == step:
            heard = wrote.backups[number]
            if step == "fail":
                heard = heard.ended_badly()
            else:
                heard = heard._replace(run=NEXT[step], let_go=heard.let_go and step != "ready")
            yield Move(f"{step} of {number} writes", SYSTEM, _with(wrote, number, heard))
            yield Move(f"{step} of {number} writes, and its answer is lost", FAULT, wrote)
        else:
            yield Move(f"{step} of {number} writes late", SYSTEM, wrote)


def _written(state: State, number: int, step: str, variant: Variant) -> State | None:
    backup = state.backups[number]
    holds = state.lock == number or variant.unconditional
    match step:
        case "plan":
            return state._replace(lock=number, lease_out=False) if holds else None
        case "assemble":
            # The bucket knows no fence: it is asked for after the write, and what is not wanted goes.
            return _with(state, number, backup._replace(archive=True)) if holds and not backup.ended else None
        case "ready":
            return _finish(state, number, "ready", variant, own=True)
    return _finish(state, number, "failed", variant, own=True)


def _people(state: State, number: int, variant: Variant) -> Iterator[Move]:
    backup = state.backups[number]
    if state.lock == number:
        cancelled = _finish(_with(state, number, backup._replace(let_go=True)), number, "cancelled", variant)
        if cancelled is not None:
            yield Move(f"{number} is cancelled", PEOPLE, cancelled)
    if backup.run in STEPS and backup.ended == "cancelled":
        stopped = _with(state, number, backup.ended_badly())
        yield Move(f"run {number} is stopped", PEOPLE, stopped)
    if backup.run.startswith("badly at "):
        again = backup._replace(run=backup.run.removeprefix("badly at "), let_go=True)
        yield Move(f"run {number} is redriven", PEOPLE, _with(state, number, again))
    if backup.ended == "ready":
        yield Move(
            f"{number} is deleted, or expires",
            PEOPLE,
            _with(state, number, backup._replace(ended="deleted", archive=False)),
        )


def _sweeping(state: State, variant: Variant) -> Iterator[Move]:
    if state.lock is not None and len(state.sweepers) < variant.sweepers:
        seen = state._replace(sweepers=tuple(sorted((*state.sweepers, ("saw", state.lock)))))
        if variant.sweeper and state.lease_out:
            yield Move(f"a sweeper finds {state.lock}", SYSTEM, seen)
        if variant.event_rule and state.backups[state.lock].has_ended():
            yield Move(f"the end of run {state.lock} is told", SYSTEM, seen)
    for sweeper in sorted(set(state.sweepers)):
        others = list(state.sweepers)
        others.remove(sweeper)
        alone = state._replace(sweepers=tuple(others))
        yield from _looking(alone, *sweeper, variant)


def _looking(state: State, at: str, number: int, variant: Variant) -> Iterator[Move]:
    """One sweeper's next step; `state` is without it."""

    def goes_on(then: str) -> State:
        return state._replace(sweepers=tuple(sorted((*state.sweepers, (then, number)))))

    def says(outcome: str) -> State:
        return _finish(state, number, outcome, variant) or state

    backup = state.backups[number]
    yield Move(f"the sweeper of {number} dies", FAULT, state)
    match at:
        case "saw" if variant.old_is_failed:
            yield Move(f"the sweeper fails {number}: too old", SYSTEM, says("failed"))
        case "saw":
            if backup.run == "none":
                started = _with(goes_on("runs"), number, backup._replace(run="plan"))
                yield Move(f"the sweeper starts {number}", SYSTEM, started)
            elif backup.run in STEPS:
                yield Move(f"the sweeper hears that {number} runs", SYSTEM, goes_on("runs"))
            else:
                yield Move(f"the sweeper hears how {number} ended", SYSTEM, goes_on(backup.run.split()[0]))
        case "runs":
            extended = state._replace(lease_out=False) if state.lock == number else state
            yield Move(f"the sweeper extends the lease of {number}", SYSTEM, extended)
        case "badly":
            yield Move(f"the sweeper fails {number}: its run is dead", SYSTEM, says("failed"))
        case "well":
            outcome = "ready" if backup.archive else "failed"
            yield Move(f"the sweeper makes {number} {outcome}", SYSTEM, says(outcome))


# --- what must hold ---


def alive(state: State) -> list[int]:
    return [
        number
        for number, one in enumerate(state.backups)
        if state.lock == number or (one.run in STEPS and not one.let_go)
    ]


def broken_here(state: State) -> str | None:
    if len(alive(state)) > 1:
        return "two live backups"
    if any(one.ended == "ready" and not one.archive for one in state.backups):
        return "ready without its archive"
    if state.lock is not None and state.backups[state.lock].ended:
        return "an ended backup is back to life"
    return None


def broken_by(state: State, then: State) -> str | None:
    for before, after in zip(state.backups, then.backups, strict=True):
        if before.ended not in ("", after.ended) and (before.ended, after.ended) != ("ready", "deleted"):
            return "a terminal state changes"
    return None


def explore(variant: Variant, only: str | None = None) -> Broken | int:
    """The number of reachable states, or the shortest way to break an invariant, of all or of one."""
    start = start_of(variant)
    came_from: dict[State, tuple[State, str] | None] = {start: None}
    led_here: dict[State, list[State]] = {}
    """By the system's own steps, without people and faults."""
    waiting = deque([start])

    def way(state: State, *last: str) -> tuple[str, ...]:
        steps = list(reversed(last))
        while (origin := came_from[state]) is not None:
            state, what = origin
            steps.append(what)
        return tuple(reversed(steps))

    while waiting:
        state = waiting.popleft()
        for what, by, then in moves(state, variant):
            if by is SYSTEM:
                led_here.setdefault(then, []).append(state)
            wrong = broken_by(state, then)
            if wrong is None and then not in came_from:
                came_from[then] = (state, what)
                waiting.append(then)
                wrong = broken_here(then)
            if wrong is not None and only in (None, wrong):
                return Broken(wrong, way(state, what))
    # Never locked for good: back from the states in which the account is free.
    free = [state for state in came_from if state.lock is None]
    saved = set(free)
    while free:
        for earlier in led_here.get(free.pop(), ()):
            if earlier not in saved:
                saved.add(earlier)
                free.append(earlier)
    for state in came_from:
        # Whoever asks may still go on, which would only be hope: so the way is told to where nobody does.
        if state not in saved and all(one.asked in ("no", "gone") for one in state.backups):
            return Broken("locked for good", way(state))
    return len(came_from)
