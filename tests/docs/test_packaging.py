"""Wheel and sdist hold the app with everything it needs; the wheel has nothing of the portal."""

import ast
import re
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path
from tarfile import TarFile
from zipfile import ZipFile

import pytest
from packaging.utils import canonicalize_name

from tests.support.words import ROOT, tracked_files
from tokens import VERSION


def build(kind, folder):
    """Build ``wheel`` or ``sdist`` as `make dist` does, and return the file."""
    command = [sys.executable, "-m", "build", f"--{kind}", "--no-isolation", "--outdir", folder]
    done = subprocess.run([*command, ROOT], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (path,) = folder.iterdir()
    return path


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    with ZipFile(build("wheel", tmp_path_factory.mktemp("wheel"))) as archive:
        metadata = next(name for name in archive.namelist() if name.endswith("/METADATA"))
        return set(archive.namelist()), archive.read(metadata).decode()


def test_wheel_holds_every_file_of_the_app(wheel):
    names, _metadata = wheel
    files = tracked_files()
    wanted = {path.as_posix() for path in files if path.parts[0] == "tokens"}
    folders = ("templates/tokens/", "templates/admin/tokens/", "static/tokens/")
    wanted |= {f"tokens/{path}" for path in map(Path.as_posix, files) if path.startswith(folders)}
    assert wanted - names == set()


def test_wheel_holds_no_command_that_writes_the_env_file_of_the_portal(wheel):
    names, _metadata = wheel
    commands = {Path(name).stem for name in names if "/management/commands/" in name}
    assert {"adopt", "revoke_tokens"} <= commands
    assert not {"quickstart", "rotate_signing_key"} & commands


@pytest.mark.parametrize(
    "path",
    [
        "tokens/locale/de/LC_MESSAGES/django.mo",
        "tokens/migrations/0001_initial.py",
        "tokens/py.typed",
        "tokens/static/tokens/js/portal.js",
        "tokens/templates/admin/tokens/object.html",
        "tokens/templates/tokens/base.html",
    ],
)
def test_wheel_holds_each_kind_of_file(wheel, path):
    names, _metadata = wheel
    assert path in names


def test_sdist_builds_the_same_app(tmp_path):
    with TarFile.open(build("sdist", tmp_path)) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    wanted = {
        path.as_posix()
        for path in tracked_files()
        if path.parts[0] in ("tokens", "templates", "static")
    }
    assert wanted | {"pyproject.toml", "README.md", "LICENSE"} <= names


def test_wheel_overrides_no_template_of_a_host_project(wheel):
    names, _metadata = wheel
    templates = {name for name in names if name.startswith("tokens/templates/")}
    own = ("tokens/templates/tokens/", "tokens/templates/admin/tokens/")
    assert templates
    assert {name for name in templates if not name.startswith(own)} == set()


def test_wheel_holds_nothing_but_the_app(wheel):
    names, _metadata = wheel
    assert {name.split("/")[0] for name in names if ".dist-info/" not in name} == {"tokens"}


@pytest.mark.parametrize(
    "line",
    [
        "Requires-Python: >=3.11",
        "Requires-Dist: django<6.1,>=5.2",
        "Requires-Dist: djangorestframework-simplejwt[crypto]<6,>=5.4",
        "Classifier: Framework :: Django :: 5.2",
        "Classifier: Framework :: Django :: 6.0",
        "Classifier: Programming Language :: Python :: 3.14",
    ],
)
def test_metadata_states_the_supported_versions(wheel, line):
    assert line in wheel[1].splitlines()


def test_version_that_the_app_tells_is_that_of_the_wheel(wheel):
    assert f"\nVersion: {VERSION}\n" in wheel[1]


def test_metadata_names_every_library_that_the_app_imports(wheel):
    imported = set()
    for path in tracked_files():
        if path.parts[0] == "tokens" and path.suffix == ".py":
            for node in ast.walk(ast.parse((ROOT / path).read_text())):
                if isinstance(node, ast.ImportFrom) and node.module:
                    imported.add(node.module.split(".")[0])
                elif isinstance(node, ast.Import):
                    imported |= {alias.name.split(".")[0] for alias in node.names}
    libraries = {
        canonicalize_name(distribution)
        for name in imported - sys.stdlib_module_names - {"tokens"}
        for distribution in packages_distributions()[name]
    }
    required = re.findall(r"^Requires-Dist: ([\w.-]+)", wheel[1], re.MULTILINE)
    # simplejwt's extra "crypto" brings cryptography, and Django brings asgiref.
    assert libraries - {"cryptography", "asgiref"} <= set(map(canonicalize_name, required))
