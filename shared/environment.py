"""Settings of a function: one frozen dataclass, read from the environment once, at start."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, TypeVar, get_type_hints

T = TypeVar("T")


class SettingMissing(Exception):
    """The function was deployed without a setting it needs. Nobody retries; the template is wrong."""


class SettingMalformed(Exception):
    """The function was deployed with a setting that is no number. Nobody retries; the template is wrong."""


def read_settings(settings: type[T], environ: Mapping[str, str]) -> T:
    """Fill the dataclass `settings` from the variables named like its fields, in capitals.

    Fields are `str` or `int`; one with a default may be missing. Raises SettingMissing or
    SettingMalformed, naming every variable concerned.
    """
    kinds = get_type_hints(settings)
    values: dict[str, Any] = {}
    missing: list[str] = []
    for field in dataclasses.fields(settings):  # type: ignore[arg-type]
        variable = field.name.upper()
        if variable in environ:
            try:
                values[field.name] = kinds[field.name](environ[variable])
            except ValueError:
                raise SettingMalformed(variable) from None
        elif field.default is dataclasses.MISSING:
            missing.append(variable)
    if missing:
        raise SettingMissing(", ".join(missing))
    return settings(**values)
