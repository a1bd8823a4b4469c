"""A revoked thing stays revoked, and an unknown token is refused (invariant 5)."""

import pytest
from django.core.management import call_command, get_commands
from django.db import connection

from tests.support.tokens import failed, later, pair_of, refused
from tokens.models import BlacklistedToken, OutstandingToken, Session, SessionToken
from tokens.revocation import revoke_session
from tokens.sessions.refresh import rotate

SWEEPS = [name for name in ("flushexpiredtokens", "purge_tokens") if name in get_commands()]


@pytest.fixture
def leeway(settings):
    settings.SIMPLE_JWT = settings.SIMPLE_JWT | {"LEEWAY": 30 * 86400}


@pytest.mark.parametrize("command", SWEEPS)
@pytest.mark.parametrize("days", [0, 6, 8, 31, 400])
def test_no_sweep_revives(alice, leeway, command, days):
    revoked, used = pair_of(alice), pair_of(alice)
    rotate(refresh=used.refresh)
    revoke_session(session=revoked.session, actor=None, reason="lost")
    with later(days=days, seconds=11):
        call_command(command, verbosity=0)
        assert failed(revoked.refresh) is not None
        assert failed(revoked.access) is not None
        assert refused(used.refresh)


def test_a_row_that_is_lost_takes_its_token_along(alice):
    pair = pair_of(alice)
    OutstandingToken.objects.all().delete()
    assert failed(pair.refresh) == failed(pair.access) == "known"


def test_a_restored_row_brings_nothing_back(alice):
    pair = pair_of(alice)
    rows = [
        *OutstandingToken.objects.all(),
        *SessionToken.objects.all(),
    ]
    revoke_session(session=pair.session, actor=None, reason="lost")
    BlacklistedToken.objects.all().delete()
    OutstandingToken.objects.all().delete()
    for row in rows:
        row.save(force_insert=True)
    Session.objects.update(current=rows[0])
    assert failed(pair.refresh) == failed(pair.access) == "revoked"


def test_a_session_row_edited_back_is_still_held_by_the_blacklist(alice):
    pair = pair_of(alice)
    revoke_session(session=pair.session, actor=None, reason="lost")
    with connection.cursor() as cursor:
        cursor.execute("UPDATE tokens_session SET revoked_at = NULL")
    assert failed(pair.refresh) == failed(pair.access) == "revoked"


@pytest.mark.parametrize("extra", ["=", "==", " ", "\n", "\t"])
def test_a_revoked_token_spelled_otherwise_is_the_same_token(api, alice, extra):
    pair = pair_of(alice)
    revoke_session(session=pair.session, actor=None, reason="lost")
    for token in (pair.refresh + extra, extra + pair.refresh):
        answer = api.post("/api/refresh", {"refresh": token}, format="json")
        assert answer.status_code == 401
