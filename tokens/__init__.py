"""Token Portal, as a Django app."""

VERSION = "1.0.0"
