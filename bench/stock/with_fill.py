"""Add the command that fills the tables to the stock peer's settings."""

from bench.stock.settings import *  # noqa: F403
from bench.stock.settings import INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "bench.fill"]
