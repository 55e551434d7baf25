"""What one backup costs, from the calls that it makes: `python -m bench.cost` prints docs/scale.md's tables.

Prices are AWS's list prices for us-east-1 without any free tier, of November 2026; put yours into PRICES.
What a backup calls is counted in tests/unit/operations/test_scale.py, which holds CALLS against a real one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from functions.export_backup.limits import Limits

KIB, MIB, GIB = 1024, 1024**2, 1024**3

PRICES = {
    "Lambda": {"GB-second, arm64": 13.3334e-6, "request": 0.20e-6},
    "Step Functions": {"state transition": 25e-6},
    "DynamoDB": {"read unit": 0.125e-6, "write unit": 0.625e-6},
    "S3": {"PUT, COPY, POST": 5e-6, "GET": 0.4e-6, "GB kept for 14 days": 0.023 * 14 / 30},
    "SES": {"e-mail": 100e-6},
    "API Gateway": {"request": 3.5e-6},
    "logs and traces": {"GB of log": 0.50, "trace": 5e-6},
}
"""US dollars."""

BYTES_A_COMMENT = 965
"""What lies in the source per comment, with the proofs, recipients and responses around it, as DynamoDB
counts it: the seeder's account (local/seed.py)."""
DEFLATED = 0.26
"""Of it in the archive, CSV and XML together."""
BYTES_A_SECOND = 24 * MIB
"""At which one Lambda reads and writes both formats; from a partition of DynamoDB comes no more."""
LAMBDA_GB = 1769 / 1024
LOOKS = 20
"""Requests of the page while somebody watches a backup."""


@dataclass(frozen=True)
class Calls:
    """How often something happens in a backup; `a_unit` for each of its units besides."""

    once: float
    a_unit: float = 0


CALLS = {
    "Lambda invocations": Calls(6, 1),
    "state transitions": Calls(9, 5),
    "reads of records": Calls(16, 8),
    "writes of records": Calls(23, 4),
    "objects written": Calls(4, 9),
    "objects read": Calls(17, 9),
}
"""Reads and writes in DynamoDB's units; a transaction's count twice."""


@dataclass(frozen=True)
class Backup:
    comments: int

    @property
    def source_bytes(self) -> int:
        return self.comments * BYTES_A_COMMENT

    @property
    def archive_bytes(self) -> float:
        return self.source_bytes * DEFLATED

    @property
    def units(self) -> int:
        limits = Limits()
        return min(limits.most_units, max(1, math.ceil(self.source_bytes / limits.unit_bytes)))

    @property
    def lambda_seconds(self) -> float:
        """Of all Lambdas together: reading and writing, reading back, and a second for each step."""
        return self.source_bytes / BYTES_A_SECOND + self.archive_bytes / (150 * MIB) + 5 + self.units

    def times(self, what: str) -> float:
        return CALLS[what].once + CALLS[what].a_unit * self.units

    @property
    def progress_writes(self) -> float:
        """Write units for what a unit says once a second: its record grows by 20 bytes a unit."""
        return self.source_bytes / BYTES_A_SECOND * math.ceil((1000 + 20 * self.units) / 1000)

    def costs(self) -> Mapping[str, float]:
        prices = PRICES
        parts = self.archive_bytes / (20 * MIB)
        return {
            "Lambda": self.lambda_seconds * LAMBDA_GB * prices["Lambda"]["GB-second, arm64"]
            + (self.times("Lambda invocations") + LOOKS) * prices["Lambda"]["request"],
            "Step Functions": self.times("state transitions") * prices["Step Functions"]["state transition"],
            "DynamoDB": (self.source_bytes / (4 * KIB) / 2 + self.times("reads of records") + 6 * LOOKS)
            * prices["DynamoDB"]["read unit"]
            + (self.times("writes of records") + self.progress_writes) * prices["DynamoDB"]["write unit"],
            "S3": (self.times("objects written") + 2 * parts) * prices["S3"]["PUT, COPY, POST"]
            + (self.times("objects read") + parts) * prices["S3"]["GET"]
            + self.archive_bytes / GIB * prices["S3"]["GB kept for 14 days"],
            "SES": prices["SES"]["e-mail"],
            "API Gateway": (1 + LOOKS) * prices["API Gateway"]["request"],
            "logs and traces": (self.times("Lambda invocations") + LOOKS)
            * KIB
            / GIB
            * prices["logs and traces"]["GB of log"]
            + prices["logs and traces"]["trace"] * LOOKS,
        }


SIZES = (10_000, 1_000_000, 100_000_000)


def table() -> str:
    """The price of a backup of each size, service by service, as Markdown."""
    backups = [Backup(comments) for comments in SIZES]
    head = " | ".join(f"{backup.comments:,} comments" for backup in backups)
    lines = [f"| | {head} |", "|---|" + "--:|" * len(backups)]

    def row(name: str, cells: list[str]) -> None:
        lines.append(f"| {name} | " + " | ".join(cells) + " |")

    row("in the source", [_size(backup.source_bytes) for backup in backups])
    row("the archive, about", [_size(backup.archive_bytes) for backup in backups])
    row("units", [f"{backup.units}" for backup in backups])
    for service in PRICES:
        row(service, [_dollars(backup.costs()[service]) for backup in backups])
    row("**together**", [f"**{_dollars(sum(backup.costs().values()))}**" for backup in backups])
    return "\n".join(lines)


def _size(number: float) -> str:
    for unit, size in (("GB", 1e9), ("MB", 1e6)):
        if number >= size:
            return f"{number / size:,.0f} {unit}"
    return f"{number / 1e3:,.0f} KB"


def _dollars(amount: float) -> str:
    return f"${amount:.2g}" if amount >= 0.01 else f"${amount:.5f}"


if __name__ == "__main__":
    print(table())
