"""Hash passwords cheaply in tests."""

from tokens.accounts.hashers import OwaspArgon2PasswordHasher


class CheapArgon2PasswordHasher(OwaspArgon2PasswordHasher):
    """Real Argon2id, and real parsing of its hashes, without the 19 MiB."""

    algorithm = "argon2"
    time_cost = 1
    memory_cost = 8
