"""The reads, and the only definition of `status`."""
