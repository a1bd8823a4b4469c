"""Benchmark the portal against plain simplejwt, with up to ten million tokens."""
