"""The settings of the tests, with simplejwt's classes left alone."""

from tests.settings import *  # noqa: F403

TAKE_OVER_FOR_USER = False
