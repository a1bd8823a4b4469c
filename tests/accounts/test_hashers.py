"""Hashes run at a lower priority than the requests of the same process."""

import os
import sys
import threading

import pytest

from tokens.accounts.hashers import NICENESS, OwaspArgon2PasswordHasher


def priorities() -> set[int]:
    """Return the niceness of each thread of this process."""
    return {os.getpriority(os.PRIO_PROCESS, int(task)) for task in os.listdir("/proc/self/task")}


@pytest.mark.skipif(sys.platform != "linux", reason="a thread has a priority on Linux only")
def test_hash_has_a_lower_priority_than_its_caller():
    own = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
    hasher = OwaspArgon2PasswordHasher()
    encoded = hasher.encode("correct horse", "salt-of-16-bytes")
    assert hasher.verify("correct horse", encoded)
    assert not hasher.verify("wrong horse", encoded)
    assert {own, min(own + NICENESS, 19)} <= priorities()
    assert os.getpriority(os.PRIO_PROCESS, threading.get_native_id()) == own


def test_forked_process_hashes_in_threads_of_its_own():
    hasher = OwaspArgon2PasswordHasher()
    encoded = hasher.encode("correct horse", "salt-of-16-bytes")
    child = os.fork()
    if child == 0:
        os._exit(0 if hasher.verify("correct horse", encoded) else 1)
    assert os.waitpid(child, 0)[1] == 0
