"""The app works with user models unlike Django's own.

``AUTH_USER_MODEL`` can't change in a process, so each model has one of its own.
"""

import os
import subprocess
import sys

import pytest
from django.contrib.auth.models import User
from django.test import Client

from tests.support.users import PASSWORD
from tests.support.words import ROOT


@pytest.mark.slow
@pytest.mark.parametrize("model", ["Person", "Device"])
def test_app_works_with_the_user_model(model):
    command = [
        *(sys.executable, "-m", "pytest", "-q", "-n0", "-p", "no:cacheprovider"),
        *("--ds=tests.user_models.settings", f"tests/user_models/check_{model.lower()}.py"),
    ]
    env = os.environ | {"TEST_USER_MODEL": model, "PYTEST_ADDOPTS": ""}
    env = {name: value for name, value in env.items() if not name.startswith("PYTEST_XDIST")}
    ran = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout[-5000:] + ran.stderr[-2000:]


@pytest.mark.django_db
@pytest.mark.parametrize("stored", ["Jose\u0301", "Jos\u00e9"])
@pytest.mark.parametrize("typed", ["Jose\u0301", "Jos\u00e9"])
def test_name_is_found_however_it_was_composed(client, stored, typed):
    User.objects.create_superuser(stored, password=PASSWORD)
    body = {"username": typed, "password": PASSWORD}
    assert client.post("/api/login", body, content_type="application/json").status_code == 200
    for path in ("/account/login/", "/staff/login/", "/admin/login/"):
        assert Client().post(path, body).status_code == 302, path
