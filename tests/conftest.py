from __future__ import annotations

from hypothesis import settings

# No test here asserts a time; on a busy machine a deadline would.
settings.register_profile("default", deadline=None, print_blob=True)
settings.load_profile("default")
