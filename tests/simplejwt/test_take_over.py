"""simplejwt's own classes are taken over at start, unless the project leaves them alone."""

import os
import subprocess
import sys

import pytest
from rest_framework_simplejwt import serializers, tokens, views

from tokens.simplejwt.take_over import METHODS, take_over
from tokens.simplejwt.tokens import SessionRefreshToken

CODE = """
import django; django.setup()
from rest_framework_simplejwt import serializers, tokens, views
found = [tokens.RefreshToken.for_user, tokens.RefreshToken.__str__, tokens.RefreshToken.blacklist,
         serializers.TokenRefreshSerializer.validate, serializers.TokenVerifySerializer.validate,
         views.TokenRefreshView.dispatch]
print(*sorted({method.__module__.partition(".")[0] for method in found}))
"""


@pytest.mark.parametrize(
    ("settings", "module"),
    [
        ("tests.settings", "tokens"),
        ("tests.simplejwt.left_alone", "rest_framework rest_framework_simplejwt"),
    ],
)
def test_setting_decides_whose_methods_simplejwts_classes_have(settings, module):
    env = os.environ | {"DJANGO_SETTINGS_MODULE": settings}
    ran = subprocess.run([sys.executable, "-c", CODE], env=env, capture_output=True, text=True)
    assert ran.stdout.strip() == module, ran.stderr


def test_sliding_tokens_are_left_alone():
    # Releases before 5.5.1 have no `outstand`.
    for name in METHODS:
        method = getattr(tokens.SlidingToken, name, None)
        assert not getattr(method, "__module__", "").startswith("tokens.")
    assert serializers.TokenRefreshSlidingSerializer.validate.__module__.startswith("rest_fr")


def test_taking_over_twice_changes_nothing():
    before = [vars(tokens.RefreshToken)[name] for name in METHODS]
    take_over()
    assert [vars(tokens.RefreshToken)[name] for name in METHODS] == before
    assert before == [vars(SessionRefreshToken)[name] for name in METHODS]
    assert views.TokenVerifyView.dispatch is views.TokenViewBase.dispatch
