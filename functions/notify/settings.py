"""Settings of notify, each the environment variable of the same name in capitals."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Settings:
    stack_name: str
    table_name: str
    bucket_name: str
    download_role_arn: str
    sender: str
    """The address that the mails come from; SES must have verified it or its domain."""
    product_name: str
    audit_table_name: str
    audit_days: int
    tab_url: str
    """Where a signed-in user finds the Backups tab."""
    email_link_seconds: int = 3600
    """Empty: none is named, and SES takes the identity's own, if it has one."""
