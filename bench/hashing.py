"""What the password hash alone allows: one process for each core doing nothing else."""

import multiprocessing
import os
import time

from argon2.low_level import Type, hash_secret_raw

SECONDS = 2.0


def _hash_for(seconds: float) -> int:
    done, end = 0, time.monotonic() + seconds
    while time.monotonic() < end:
        # As tokens.hashers.OwaspArgon2PasswordHasher sets it.
        hash_secret_raw(b"password", b"0123456789abcdef", 2, 19 * 1024, 1, 32, Type.ID)
        done += 1
    return done


def ceiling(processes: int) -> float:
    """Hashes a second."""
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        pool.map(_hash_for, [0.1] * processes)
        return sum(pool.map(_hash_for, [SECONDS] * processes, chunksize=1)) / SECONDS


def cores() -> int:
    return len(os.sched_getaffinity(0))
