"""Scale tests that repeat a race or generate their input.

``TEST_EFFORT=10 pytest tests/security`` makes ten times as many rounds and examples. Only then does
hypothesis choose other examples each time: the usual run finds the same faults today as tomorrow.
"""

import os

from hypothesis import settings

EFFORT = int(os.environ.get("TEST_EFFORT", "1"))
settings.register_profile("portal", derandomize=EFFORT == 1)
settings.load_profile("portal")


def times(number: int) -> int:
    """Return how often to repeat what the suite repeats ``number`` times."""
    return number * EFFORT
