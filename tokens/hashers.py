from django.contrib.auth.hashers import Argon2PasswordHasher


class OwaspArgon2PasswordHasher(Argon2PasswordHasher):
    """Argon2id at the OWASP setting: 19 MiB, two passes, one lane.

    Django's default (100 MiB, eight lanes) spends more memory than a small server can lend to
    every concurrent login; this is the first choice of the OWASP Password Storage Cheat Sheet.
    """

    time_cost = 2
    memory_cost = 19 * 1024
    parallelism = 1
