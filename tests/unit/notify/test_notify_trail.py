"""The link of an e-mail, in the trail of who got at what."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Any

import pytest

from functions.notify.notice import MailDelayed
from shared.audit import Actor, MadeLink, Way
from shared.link import end_of
from tests.unit.notify.ses_line import Killed
from tests.unit.notify.world import ACCOUNT, PAST_CLAIM, World, simple


def links_of(world: World) -> list[MadeLink]:
    """What the trail says of links, oldest first; each was made for Ann, by e-mail."""
    entries = world.trail.page(ACCOUNT, world.now, limit=100)[::-1]
    links = [entry for entry in entries if entry.link]
    assert {entry.by for entry in links} <= {Actor("s-1", "Ann")}
    assert {entry.link.way for entry in links if entry.link} <= {Way.MAIL}
    return [entry.link for entry in links if entry.link]


def mailed_url(mail: dict[str, Any]) -> str:
    url: str = re.findall(r"https://archives\S+", simple(mail)["Body"]["Text"]["Data"])[0]
    return url


def test_the_link_of_a_mail_is_in_the_trail_with_its_end_and_whom_it_is_for(world: World) -> None:
    world.ready()
    world.give()
    assert world.give() == "already"
    (link,) = links_of(world)
    assert link.ends_at == end_of(mailed_url(world.line.taken[0]))


def test_no_mail_goes_out_whose_link_is_not_in_the_trail(world: World) -> None:
    world.ready()
    seen: list[int] = []
    world.ses.meta.events.register_first(
        "before-call.sesv2.SendEmail", lambda **_: seen.append(len(links_of(world)))
    )
    world.give()
    assert seen == [1]


@pytest.mark.parametrize("make", ["failed", "cancelled", "deleted"])
def test_a_mail_without_a_link_and_none_at_all_enter_no_link(world: World, make: str) -> None:
    getattr(world, make)()
    world.give()
    assert links_of(world) == []


@pytest.mark.parametrize("fault", ["400 MessageRejected", "429 TooManyRequestsException"])
def test_a_link_that_ses_did_not_take_was_made_all_the_same(world: World, fault: str) -> None:
    world.ready()
    world.line.faults = [fault]
    with suppress(MailDelayed):
        world.give()
    assert len(links_of(world)) == 1


def test_a_second_mail_has_a_second_link_and_each_is_in_the_trail(world: World) -> None:
    world.ready()
    world.line.faults = ["lost"]
    with pytest.raises(MailDelayed):
        world.give()
    world.now += PAST_CLAIM
    world.give()
    assert len(world.line.taken) == 2
    assert len({link.id for link in links_of(world)}) == 2


def test_whose_claim_is_refused_has_made_no_link(world: World) -> None:
    world.ready()
    world.line.faults = ["killed before"]
    with pytest.raises(Killed):
        world.give()
    for _ in range(3):  # the claim is not stale yet
        with pytest.raises(MailDelayed):
            world.give()
    assert len(links_of(world)) == 1
