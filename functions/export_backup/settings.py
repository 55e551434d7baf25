from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Settings:
    table_name: str
    source_table_name: str
    bucket_name: str
    retention_days: int
    history_days: int
    audit_table_name: str
    audit_days: int
    export_concurrency: int
