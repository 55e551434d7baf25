from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Settings:
    stack_name: str
    table_name: str
    source_table_name: str
    bucket_name: str
    retention_days: int
    history_days: int
    export_concurrency: int
