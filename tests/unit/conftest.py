from __future__ import annotations

from functools import cache
from typing import Any

from botocore.loaders import JSONFileLoader

_load_file = JSONFileLoader.load_file


@cache
def _loaded_once(path: str) -> Any:
    return _load_file(JSONFileLoader(), path)


# Hundreds of tests make sessions of their own, and each would read botocore's models anew: that was more
# than half of some directories' time.
JSONFileLoader.load_file = lambda _, path: _loaded_once(path)  # type: ignore[assignment, method-assign]
