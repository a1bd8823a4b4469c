"""Hash passwords at the cost that OWASP recommends."""

from django.contrib.auth.hashers import Argon2PasswordHasher


class OwaspArgon2PasswordHasher(Argon2PasswordHasher):
    """Hash with Argon2id: 19 MiB, two passes, one lane.

    Django's default (100 MiB, eight lanes) takes more memory than a small server has for
    concurrent logins. This is the first choice of the OWASP Password Storage Cheat Sheet.
    """

    time_cost = 2
    memory_cost = 19 * 1024
    parallelism = 1
