from __future__ import annotations

from dataclasses import dataclass

from functions.export_backup.limits import Limits


@dataclass(frozen=True)
class Settings:
    stack_name: str
    table_name: str
    source_table_name: str
    bucket_name: str
    retention_days: int
    history_days: int
    audit_table_name: str
    audit_days: int
    export_concurrency: int
    # No operator sets these: the tests do, who have neither the data nor the time that they stand for.
    unit_bytes: int = Limits.unit_bytes
    reserve_seconds: int = Limits.reserve_seconds
