"""Measure how many logins the password hash alone allows, with one process for each core."""

import multiprocessing
import os
import time

from argon2.low_level import Type, hash_secret_raw

SECONDS = 2.0


def _hash_for(seconds: float) -> int:
    done, end = 0, time.monotonic() + seconds
    while time.monotonic() < end:
        # The parameters of tokens.accounts.hashers.OwaspArgon2PasswordHasher.
        hash_secret_raw(b"password", b"0123456789abcdef", 2, 19 * 1024, 1, 32, Type.ID)
        done += 1
    return done


def ceiling(processes: int) -> float:
    """Return the number of hashes in a second."""
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        pool.map(_hash_for, [0.1] * processes)
        return sum(pool.map(_hash_for, [SECONDS] * processes, chunksize=1)) / SECONDS


def cores() -> int:
    return len(os.sched_getaffinity(0))
