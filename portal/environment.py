"""Read the environment and ``.env``, and collect every value that cannot be used.

`portal.settings` and `portal.gunicorn` read with it. A wrong value is replaced by the default until
`Environment.finish` refuses all of them at once, so a person sees every mistake in one run.
"""

import os
import re
from collections.abc import Callable, Collection
from functools import partial
from importlib import import_module
from io import StringIO
from pathlib import Path
from typing import Any, TypeVar

import environ
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

from portal.values import (
    cache_problem,
    database_problem,
    email_problem,
    folder_problem,
    host_problem,
    origin_problem,
    path_problem,
    sender_problem,
)

T = TypeVar("T")
TRUE, FALSE = ("true", "on", "ok", "y", "yes", "1"), ("false", "off", "no", "n", "0", "")
ASSIGNMENT = re.compile(r"\A(?:export )?\w+=(.*)", re.ASCII)
INTEGER = re.compile(r"[+-]?[0-9]{1,18}")
SHOWN_CHARS = 40


class WrongSettings(ImproperlyConfigured):
    """Raised with one line for each setting that cannot be used; ``lines`` holds them."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines


class Environment:
    """Read typed values by name. ``problems`` has a line for each value that cannot be used."""

    def __init__(self) -> None:
        self.problems: list[str] = []
        self._env = environ.Env()

    def finish(self) -> None:
        """Raise `WrongSettings` if a value could not be used."""
        if self.problems:
            raise WrongSettings(self.problems)

    def read_file(self, path: Path) -> None:
        """Take the variables of a file that the environment does not have. A missing file is empty.

        A line that is no assignment is a problem. Its text may be part of a secret, so only its
        number is shown.
        """
        try:
            lines = path.read_text("utf-8").splitlines()
        except FileNotFoundError:
            return
        except (OSError, UnicodeDecodeError) as error:
            self.problems.append(f"{path.name} cannot be read: {type(error).__name__}.")
            return
        for number, line in enumerate(lines, start=1):
            if line.strip() and not line.lstrip().startswith("#"):
                self._check_line(f"{path.name}, line {number},", line)
        self._env.read_env(StringIO("\n".join(filter(ASSIGNMENT.fullmatch, lines))))

    def _check_line(self, where: str, line: str) -> None:
        found = ASSIGNMENT.fullmatch(line)
        if found is None:
            self.problems.append(f"{where} is not NAME=value.")
        elif (value := found[1])[:1] in ("'", '"') and (len(value) < 2 or value[-1] != value[0]):
            self.problems.append(f"{where} has an opening quote without a closing one.")

    def text(
        self,
        name: str,
        default: str = "",
        *,
        required: bool = False,
        multiline: bool = False,
        choices: Collection[str] = (),
    ) -> str:
        """Return a text; ``multiline`` turns an escaped line break into a real one."""
        value = self._expanded(name, default)
        if multiline:
            value = value.replace("\\n", "\n")
        if required and not value:
            return self._refuse(name, f"is not set. docs/deploying.md shows how to make {name}", "")
        if choices and value not in choices:
            return self._refuse(name, f"is none of {', '.join(choices)}", default)
        return value

    def integer(self, name: str, default: int, minimum: int = 0, maximum: int = 1_000_000) -> int:
        """Return a whole number between two limits, which are allowed themselves."""
        value = self._expanded(name, str(default)).strip()
        if not INTEGER.fullmatch(value):
            return self._refuse(name, f"is not a whole number: {value[:SHOWN_CHARS]!r}", default)
        if not minimum <= int(value) <= maximum:
            return self._refuse(name, f"is not between {minimum} and {maximum}: {value}", default)
        return int(value)

    def boolean(self, name: str, default: bool) -> bool:
        """Return a switch. Any other word than those for on and off is a problem."""
        value = self._expanded(name, TRUE[0] if default else FALSE[0]).strip().lower()
        if value not in TRUE + FALSE:
            return self._refuse(name, f"is neither on nor off: {value[:SHOWN_CHARS]!r}", default)
        return value in TRUE

    def items(self, name: str, default: Collection[str] = ()) -> list[str]:
        """Return texts between commas. Empty ones are left out."""
        value = self._expanded(name, ",".join(default))
        return [part for part in map(str.strip, value.split(",")) if part]

    def hosts(self, name: str, default: Collection[str]) -> list[str]:
        """Return hosts between commas."""
        return self._judged(name, default, host_problem)

    def origins(self, name: str, *, wildcards: bool = False) -> list[str]:
        """Return origins between commas; ``wildcards`` allows https://*.example.com."""
        return self._judged(name, (), partial(origin_problem, wildcards=wildcards))

    def _judged(
        self, name: str, default: Collection[str], problem_of: Callable[[str], str]
    ) -> list[str]:
        found = self.items(name, default)
        for wrong in filter(None, map(problem_of, found)):
            return self._refuse(name, wrong, list(default))
        return found

    def path(self, name: str) -> str:
        """Return the path of an address, without a slash at its end."""
        value = self._expanded(name, "").rstrip("/")
        wrong = path_problem(value)
        return self._refuse(name, wrong, "") if wrong else value

    def folder(self, name: str, default: str) -> str:
        """Return the path of a folder, which may be made later."""
        value = self._expanded(name, default) or default
        wrong = folder_problem(value)
        return self._refuse(name, wrong, default) if wrong else value

    def database(self, name: str, default: str) -> dict[str, Any]:
        """Return an entry of DATABASES, for SQLite or PostgreSQL."""
        value = self._expanded(name, default) or default
        try:
            wrong = database_problem(value)
            parsed = dict(self._env.db_url_config(value if not wrong else default))
        except ValueError:
            wrong, parsed = "is not an address", dict(self._env.db_url_config(default))
        return self._refuse(name, wrong, parsed) if wrong else parsed

    def cache(self, name: str, default: str) -> dict[str, Any]:
        """Return an entry of CACHES whose library is installed."""
        value = self._expanded(name, default) or default
        fallback = dict(self._env.cache_url_config(default))
        try:
            if wrong := cache_problem(value):
                return self._refuse(name, wrong, fallback)
            parsed = dict(self._env.cache_url_config(value))
            import_string(parsed["BACKEND"])
            if "redis" in parsed["BACKEND"]:
                import_module("redis")
        except ImportError as error:
            return self._refuse(name, f"needs the package {error.name}", fallback)
        except ValueError:
            return self._refuse(name, "is not an address", fallback)
        return parsed

    def email(self, name: str, default: str) -> dict[str, Any]:
        """Return Django's settings for sending mail."""
        value = self._expanded(name, default) or default
        try:
            wrong = email_problem(value)
        except ValueError:
            wrong = "is not an address"
        parsed = self._env.email_url_config(default if wrong else value)
        return self._refuse(name, wrong, parsed) if wrong else parsed

    def sender(self, name: str, default: str) -> str:
        """Return the sender of mails."""
        value = self._expanded(name, default) or default
        wrong = sender_problem(value)
        return self._refuse(name, wrong, default) if wrong else value

    def _expanded(self, name: str, default: str) -> str:
        """Return the raw value. A value ``$OTHER`` names another variable, which must exist."""
        value = os.environ.get(name, default)
        seen = {name}
        while value.startswith("$"):
            other = value[1:]
            if other in seen or other not in os.environ:
                # The name may be a secret that begins with a dollar sign.
                problem = "begins with $, so it names another variable, and that is not set"
                return self._refuse(name, problem, default)
            seen.add(other)
            value = os.environ[other]
        return value

    def _refuse(self, name: str, problem: str, default: T) -> T:
        self.problems.append(f"{name} {problem}.")
        return default
