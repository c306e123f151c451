"""How many examples do the properties try? Few while one works, many at night.

`TILLROLL_HYPOTHESIS_PROFILE=nightly` tries more. Examples are new in each run, and a failing one is kept and
tried first. There is no deadline for an example: a busy machine is no bug.
"""

from __future__ import annotations

import os

from hypothesis import settings

settings.register_profile(
    "usual", max_examples=60, stateful_step_count=30, deadline=None, derandomize=False, print_blob=True
)
settings.register_profile("nightly", settings.get_profile("usual"), max_examples=1000, stateful_step_count=40)
settings.load_profile(os.environ.get("TILLROLL_HYPOTHESIS_PROFILE", "usual"))
