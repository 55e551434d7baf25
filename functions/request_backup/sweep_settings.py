from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Settings:
    stack_name: str
    table_name: str
    state_machine_arn: str
    export_function_name: str
    notify_function_name: str
    history_days: int
    audit_table_name: str
    audit_days: int
