"""Scale tests that repeat a race or generate their input.

``TEST_EFFORT=10 pytest tests/security`` makes ten times as many rounds and examples.
"""

import os

EFFORT = int(os.environ.get("TEST_EFFORT", "1"))


def times(number: int) -> int:
    """Return how often to repeat what the suite repeats ``number`` times."""
    return number * EFFORT
