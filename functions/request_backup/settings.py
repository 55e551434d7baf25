from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Settings:
    stack_name: str
    table_name: str
    bucket_name: str
    state_machine_arn: str
    download_role_arn: str
    admin_group: str
    sales_contact: str
    history_days: int
    audit_table_name: str
    audit_days: int
    export_function_name: str
    product_name: str
    tab_origin: str
    """The origin of the operator's own settings page, where it shows backups; empty where none does."""
    frame_ancestors: str
