from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Settings:
    table_name: str
    bucket_name: str
    state_machine_arn: str
    download_role_arn: str
    app_client_id: str
    admin_group: str
    sales_contact: str
    history_days: int
