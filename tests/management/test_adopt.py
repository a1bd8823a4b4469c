"""`adopt` says what the move of a project from simplejwt involves."""

import json
from datetime import datetime, timedelta
from io import StringIO

import pytest
from django.core.management import call_command
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from django.utils import timezone
from rest_framework_simplejwt.tokens import RefreshToken, SlidingToken

from tokens.jwt.claims import redact
from tokens.models import BlacklistedToken, OutstandingToken
from tokens.sessions.issue import open_session

pytestmark = pytest.mark.django_db


def stored(user, jti, *, days=7, token_class=RefreshToken):
    token = token_class()
    token["user_id"] = str(user.pk)
    return OutstandingToken.objects.create(
        user=user,
        jti=jti,
        token=str(token),
        created_at=timezone.now(),
        expires_at=timezone.now() + timedelta(days=days),
    )


def adopt(*options):
    out = StringIO()
    call_command("adopt", *options, stdout=out)
    return out.getvalue()


def signed():
    return OutstandingToken.objects.exclude(token__endswith=".").count()


def test_dry_run_counts_and_changes_nothing(alice):
    stored(alice, "live")
    stored(alice, "expired", days=-1)
    BlacklistedToken.objects.create(token=stored(alice, "ended"))
    open_session(user=alice)
    found = json.loads(adopt("--dry-run", "--json"))
    assert (found["legacy"], found["signed"]) == (1, 3)
    assert signed() == 3


def test_tokens_after_the_transition_are_called_refused(alice, settings):
    stored(alice, "live")
    settings.LEGACY_UNTIL = "2020-01-01"
    lines = adopt("--dry-run")
    assert "1 stored refresh tokens from before have not expired" in lines
    assert "refused" in lines
    assert "can still" not in lines


def test_signatures_are_removed(alice):
    stored(alice, "live")
    assert "1 tokens are stored with their signature" in adopt()
    assert signed() == 0
    assert "0 tokens are stored with their signature" in adopt()


def test_tokens_are_counted_by_their_type(alice, settings):
    settings.LEGACY_UNTIL = ""
    stored(alice, "refresh")
    for number in range(2):
        row = stored(alice, f"sliding-{number}", token_class=SlidingToken)
    OutstandingToken.objects.filter(pk=row.pk).update(token=redact(row.token))
    BlacklistedToken.objects.create(token=stored(alice, "ended", token_class=SlidingToken))
    unknown = stored(alice, "unknown")
    OutstandingToken.objects.filter(pk=unknown.pk).update(token="rubbish")
    found = json.loads(adopt("--dry-run", "--json"))
    assert (found["legacy"], found["other_types"]) == (1, {"sliding": 2, "unknown": 1})
    lines = adopt("--dry-run")
    assert "1 stored refresh tokens from before can still be used" in lines
    assert "3 stored tokens have another type (2 sliding, 1 unknown)" in lines
    settings.LEGACY_UNTIL = "2020-01-01"
    assert "3 stored tokens have another type" in adopt("--dry-run")


def test_types_are_not_mentioned_if_every_token_is_a_refresh_token(alice):
    stored(alice, "refresh")
    assert json.loads(adopt("--dry-run", "--json"))["other_types"] == {}
    assert "another type" not in adopt("--dry-run")


def migrated(app, *, ago):
    """Say that an app was added to the project a while ago."""
    migrations = MigrationRecorder(connection).migration_qs
    migrations.filter(app=app, name="0001_initial").update(applied=timezone.now() - ago)


def test_project_without_a_table_of_tokens_before_is_told_what_cannot_be_counted(settings):
    settings.LEGACY_UNTIL = ""
    migrated("token_blacklist", ago=timedelta(minutes=1))
    lines = adopt("--dry-run")
    assert "from before simplejwt stored them can't be counted" in lines
    assert "accepted until they expire" in lines
    settings.LEGACY_UNTIL = "2099-12-31"
    assert "accepted until they expire, or until LEGACY_UNTIL" in adopt("--dry-run")
    found = json.loads(adopt("--dry-run", "--json"))
    assert datetime.fromisoformat(found["unrecorded_before"]) > timezone.now()


@pytest.mark.parametrize("until", ["", "2020-01-01"])
def test_no_line_names_tokens_that_have_expired_or_are_refused(settings, until):
    settings.LEGACY_UNTIL = until
    migrated("token_blacklist", ago=timedelta(days=0 if until else 30))
    assert "counted" not in adopt("--dry-run")
    assert json.loads(adopt("--dry-run", "--json"))["unrecorded_before"] is None


def test_findings_of_the_checks_are_shown(settings):
    settings.AUDIT_KEY = ""
    assert "tokens.E010: AUDIT_KEY is empty" in adopt("--dry-run").replace("W010", "E010")
