"""The stock peer's settings, and the command that fills its tables."""

from bench.stock.settings import *  # noqa: F403
from bench.stock.settings import INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "bench.fill"]
