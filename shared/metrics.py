"""The service's own CloudWatch metrics: their names, units and dimensions, and how one is written.

A metric is written as one line of log in CloudWatch's embedded metric format, so writing it makes no call,
needs no permission and delays nobody. Each line holds the backup's id as well, for Logs Insights: as a
field, never as a dimension. For each combination of name and dimensions is a metric that is paid for, so a
dimension has a value out of our own code, and tenants are none.
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.metrics.provider.cloudwatch_emf.cloudwatch import AmazonCloudWatchEMFProvider

from shared.logs import shape_of

NAMESPACE: Final = "AccountBackup"
STACK: Final = "stack"
"""The dimension that all metrics have: the stack's name, which keeps apart those of one AWS account."""


@dataclass(frozen=True)
class Metric:
    """`by` is the dimension that it has besides the stack; `in_all`: it is there without that one too."""

    name: str
    unit: MetricUnit = MetricUnit.Count
    by: str | None = None
    in_all: bool = True


REQUESTED = Metric("Requested")
REFUSED = Metric("Refused", by="reason")
"""Requests of all kinds that were not carried out, by the class of `request_backup.refusals`."""
STARTED_BY_SWEEPER = Metric("StartedBySweeper")
"""Backups that were requested, and begun only when the sweeper saw to it."""
READY = Metric("Ready")
READY_AFTER = Metric("ReadyAfter", MetricUnit.Seconds)
"""From the request to the archive being offered."""
RECORDS = Metric("Records")
"""In the archive of a backup that got ready."""
BYTES = Metric("Bytes", MetricUnit.Bytes)
"""Of that archive."""
FAILED = Metric("Failed", by="reason")
"""By `shared.backup.Reason`."""
MISSED = Metric("Missed", by="reason")
"""Scheduled backups that were due and not begun, by `shared.backup.Reason`: no fault of ours."""
CANCELLED = Metric("Cancelled")
DELETED = Metric("Deleted")
MAILS = Metric("Mails", by="outcome", in_all=False)
"""By what came of a try: sent, not_sent, refused, delayed, broken."""
LINKS_MADE = Metric("LinksMade")
"""On the page or by the API; those in e-mails are the mails that were sent."""
SECONDS_LEFT = Metric("SecondsLeft", MetricUnit.Seconds)
"""Until Lambda would have ended a step of the workflow, at the step's own end."""
SOURCE_THROTTLES = Metric("SourceThrottles")
"""Reads that the source put off; botocore tries them again, so nobody else hears of them."""
OLDEST_PENDING = Metric("OldestPending", MetricUnit.Seconds)
"""Since the request of the backup that has been pending or running for longest; 0 where there is none. Every
sweep writes it, so its absence says that there is no sweeper."""


class Meter:
    """Writes metrics of one stack. Nothing that goes wrong in it gets out: the work is what counts."""

    def __init__(self, stack: str, logger: Logger) -> None:
        self._stack = stack
        self._logger = logger

    def note(self, values: Mapping[Metric, float], *, by: str | None = None, backup_id: str = "") -> None:
        """Write what happened at one moment: one line, whatever number of metrics.

        `by` is the value of the dimension that these metrics have besides the stack.
        """
        try:
            self._write(values, by, backup_id)
        except Exception as error:  # noqa: BLE001 - see above
            self._logger.warning("metric not written", error=shape_of(error))

    def _write(self, values: Mapping[Metric, float], by: str | None, backup_id: str) -> None:
        (dimension,) = {metric.by for metric in values}
        (in_all,) = {metric.in_all for metric in values}
        if (dimension is None) != (by is None):
            raise ValueError("a metric has the dimensions that it says it has, and no others")
        line = AmazonCloudWatchEMFProvider(namespace=NAMESPACE)
        line.add_dimension(STACK, self._stack)
        if dimension and by:
            if in_all:
                line.add_dimensions(**{STACK: self._stack, dimension: by})
            else:
                line.add_dimension(dimension, by)
        for metric, value in values.items():
            line.add_metric(metric.name, metric.unit, value)
        if backup_id:
            line.add_metadata("backup_id", backup_id)
        line.flush_metrics()
