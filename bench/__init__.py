"""The benchmark: this portal beside plain simplejwt, and both at ten million tokens."""
