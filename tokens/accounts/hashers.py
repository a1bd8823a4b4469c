"""Hash passwords at the cost that OWASP recommends."""

import os
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TypeVar

from django.contrib.auth.hashers import Argon2PasswordHasher

# Other requests then run first on a core that a hash would take for tens of milliseconds.
NICENESS = 5
Result = TypeVar("Result")


class OwaspArgon2PasswordHasher(Argon2PasswordHasher):
    """Hash with Argon2id: 19 MiB, two passes, one lane.

    Django's default (100 MiB, eight lanes) takes more memory than a small server has for
    concurrent logins. This is the first choice of the OWASP Password Storage Cheat Sheet.
    """

    time_cost = 2
    memory_cost = 19 * 1024
    parallelism = 1

    def encode(self, password: str, salt: str) -> str:
        return _run_nicely(super().encode, password, salt)

    def verify(self, password: str, encoded: str) -> bool:
        return _run_nicely(super().verify, password, encoded)


def _run_nicely(act: Callable[[str, str], Result], *arguments: str) -> Result:
    """Run a hash in a thread with a lower priority. It holds the GIL for microseconds only."""
    if sys.platform != "linux":
        # The priority is the one of the whole process there.
        return act(*arguments)
    return _threads().submit(act, *arguments).result()


@cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(
        thread_name_prefix="hashes", initializer=os.nice, initargs=(NICENESS,)
    )


# A forked process has none of its parent's threads.
os.register_at_fork(after_in_child=_threads.cache_clear)
