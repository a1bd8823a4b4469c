"""Layers hold because this test does: an import in the wrong direction fails it."""

from pathlib import Path

import pytest

from tests.support.contract import violations

ROOT = Path(__file__).resolve().parents[2]


def test_every_import_goes_down_the_layers():
    assert violations(ROOT) == []


@pytest.mark.parametrize(
    ("path", "line", "complaint"),
    [
        ("models/session.py", "from tokens import revocation", "models may not import revocation"),
        ("claims.py", "from tokens.models import Event", "claims may not import models"),
        ("selectors/status.py", "import tokens.verdict", "selectors may not import verdict"),
        ("revocation/single.py", "from tokens.rotation import rotate", "may not import rotation"),
        ("staff/tokens.py", "from tokens.api import login", "staff may not import api"),
        ("api/login.py", "from tokens.staff.tokens import show", "api may not import staff"),
        ("issuing.py", "from django.http import HttpRequest", "does not enter the core"),
        ("verdict.py", "from rest_framework import status", "does not enter the core"),
        ("audit/record.py", "from django.template import loader", "does not enter the core"),
        ("staff/urls.py", "from portal import settings", "knows nothing of portal"),
        ("rotation.py", "from rest_framework_simplejwt.tokens import Token", "five named modules"),
        ("staff/tokens.py", "from . import urls", "relative import"),
        ("helpers.py", "from tokens import claims", "helpers has no place"),
    ],
)
def test_a_reversed_import_is_reported(tmp_path, path, line, complaint):
    module = tmp_path / "tokens" / path
    module.parent.mkdir(parents=True, exist_ok=True)
    module.write_text(f"import os\n\n{line}\n")
    (found,) = violations(tmp_path)
    assert found.startswith(f"tokens/{path}:3: ")
    assert complaint in found


def test_an_import_inside_a_function_counts(tmp_path):
    module = tmp_path / "tokens" / "claims.py"
    module.parent.mkdir()
    module.write_text("def late():\n    from tokens import verdict\n")
    assert violations(tmp_path) == ["tokens/claims.py:2: claims may not import verdict"]


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("revocation/many.py", "from tokens.revocation.ending import end_tokens"),
        ("rotation.py", "from tokens.revocation import revoke_session"),
        ("staff/tokens.py", "from tokens.selectors import outstanding_tokens"),
        ("signing.py", "from rest_framework_simplejwt.tokens import Token"),
    ],
)
def test_an_import_down_the_layers_is_not(tmp_path, path, line):
    module = tmp_path / "tokens" / path
    module.parent.mkdir(parents=True)
    module.write_text(f"{line}\n")
    assert violations(tmp_path) == []
