"""The import contract: who may import whom. docs/architecture.md draws it."""

import ast
from collections.abc import Iterator
from pathlib import Path

# From the bottom up. A unit imports from lower lines and, inside itself, freely; units on one
# line know nothing of each other. A new module has to be given its place here.
LAYERS = (
    ("claims", "keys", "origin", "hashers"),
    ("signing", "logs"),
    ("models",),
    ("selectors",),
    ("audit",),
    ("verdict",),
    ("issuing", "revocation"),
    ("rotation",),
    ("logins",),
    ("backends", "checks", "signals"),
    ("apps", "faults", "http"),
    ("health", "metrics", "middleware", "templatetags"),
    ("api", "staff", "account", "admin", "management"),
)
RANK = {unit: rank for rank, units in enumerate(LAYERS) for unit in units}
CORE = {unit for units in LAYERS[:9] for unit in units}
# Requests, responses and templates belong to the faces.
NOT_IN_CORE = ("django.http", "django.shortcuts", "django.template", "rest_framework")
SIMPLEJWT = "rest_framework_simplejwt"
# simplejwt may move house: these are the modules that would have to follow.
SIMPLEJWT_MODULES = {
    "tokens/models/__init__.py",
    "tokens/signing.py",
    "tokens/checks.py",
    "tokens/api/authentication.py",
    "tokens/api/refusals.py",
}


def violations(root: Path) -> list[str]:
    """One line per import under ``root/tokens`` that the contract forbids."""
    return [
        f"{path.relative_to(root).as_posix()}:{line}: {complaint}"
        for path in sorted((root / "tokens").rglob("*.py"))
        if "migrations" not in path.parts
        for line, name in _imports(path)
        if (complaint := _judge(path.relative_to(root), name))
    ]


def _imports(path: Path) -> Iterator[tuple[int, str]]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                yield node.lineno, "." * node.level
                continue
            for alias in node.names:
                yield node.lineno, f"{node.module}.{alias.name}"


def _under(name: str, package: str) -> bool:
    return name == package or name.startswith(package + ".")


def _judge(path: Path, name: str) -> str:
    """What is wrong with ``name`` being imported in ``path``; empty if nothing is."""
    unit = path.parts[1].removesuffix(".py")
    if name.startswith("."):
        return "a relative import hides its layer"
    if _under(name, "portal"):
        return "tokens knows nothing of portal"
    if _under(name, SIMPLEJWT):
        allowed = path.as_posix() in SIMPLEJWT_MODULES
        return "" if allowed else "simplejwt is imported in five named modules only"
    if unit in CORE and any(_under(name, package) for package in NOT_IN_CORE):
        return f"{name} does not enter the core"
    if not _under(name, "tokens") or unit == "__init__":
        return ""
    if unit not in RANK:
        return f"{unit} has no place in the contract"
    target = name.split(".")[1]
    if target not in RANK:
        return f"{target} has no place in the contract"
    if target == unit or RANK[target] < RANK[unit]:
        return ""
    return f"{unit} may not import {target}"
