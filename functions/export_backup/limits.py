"""How much work a unit is, and how long one go at it lasts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

INLINE_UNITS: Final = 40
"""As many iterations an inline Map runs at once; of more units each is an execution of its own.
https://docs.aws.amazon.com/step-functions/latest/dg/state-map.html"""


@dataclass(frozen=True)
class Limits:
    unit_bytes: int = 256 * 1024**2
    """What a unit is to read, as DynamoDB counts it. About ten seconds of one Lambda: a retry costs no more,
    and starting the next one is nothing against it. And the segments of the big members are well over the
    5 MiB from which on S3 copies them by itself."""

    most_units: int = 500
    """From there on units grow instead. A unit goes on for as long as it needs, and more Lambdas at once
    would help nobody: the source's partitions give some 24 MB a second each. The list of units and that of
    their results stay within the 256 KiB that a state of the workflow may have."""

    reserve_seconds: int = 600
    """A unit begins no other proof when it has less time than this, which is two thirds of what Lambda gives.
    A proof is never cut: the one that was just begun must end, at 24 MB a second one of 14 GB, and the last
    parts of the segments be sent, which takes seconds. The goes of five minutes that are left cost one
    invocation each."""

    most_goes: int = 64
    """Goes at one unit, which only a fault can use up: five hours for what was cut to take ten seconds. The
    history of an execution, 25,000 events, holds as many of each unit that is inline."""
