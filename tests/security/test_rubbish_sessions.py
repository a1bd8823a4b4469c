"""A role with rights on rows spoils sessions and tokens: pages show them, revocations end them."""

import io
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from django.core.management import call_command
from django.db import models

from tests.support.rubbish import overwrite, values_for
from tests.support.tokens import pair_of
from tokens.models import BlacklistedToken, OutstandingToken, RevokedSession, Session
from tokens.revocation import Selection, preview
from tokens.sessions.issue import IssuedPair

PAGES = [
    "/staff/",
    "/staff/sessions/",
    "/staff/sessions/?status=active",
    "/staff/sessions/?status=revoked",
    "/staff/sessions/?status=expired",
    "/staff/sessions/?q=alice",
    "/staff/tokens/",
    "/staff/tokens/?status=active",
    "/staff/tokens/?status=rotated",
    "/staff/tokens/?status=revoked",
    "/staff/tokens/?status=expired",
    "/staff/users/",
    "/staff/users/?q=alice",
    "/staff/users/{user}/",
    "/staff/search/?q=alice",
    "/staff/revoke/?user={user}",
    "/staff/revoke/?matching=sessions&q=alice",
    "/staff/revoke/?matching=tokens&q=alice",
    "/admin/token_blacklist/outstandingtoken/",
    "/admin/tokens/session/",
    "/admin/auth/user/{user}/change/",
    "/metrics",
]
CALLS = [
    "/api/staff/sessions",
    "/api/staff/tokens",
    "/api/staff/tokens?status=active",
    "/api/staff/users/{user}",
]
COMMANDS = ["redact_tokens", "purge_tokens", "adopt"]


def session_of(pair: IssuedPair) -> models.Model:
    return pair.session


def token_of(pair: IssuedPair) -> models.Model:
    return OutstandingToken(pk=pair.session.current_id)


def blacklisted(pair: IssuedPair) -> models.Model:
    return BlacklistedToken.objects.create(token_id=pair.session.current_id)


def revoked(pair: IssuedPair) -> models.Model:
    return RevokedSession.objects.create(session=pair.session)


ROWS = {
    Session: session_of,
    OutstandingToken: token_of,
    BlacklistedToken: blacklisted,
    RevokedSession: revoked,
}


def columns() -> Iterator[Any]:
    """Yield each column that takes more than the keys of other rows."""
    for model in ROWS:
        for field in model._meta.concrete_fields:
            if not (field.primary_key or getattr(field, "db_constraint", False)):
                yield pytest.param(model, field, id=f"{model.__name__}.{field.column}")


@pytest.mark.django_db
@pytest.mark.parametrize(("model", "field"), list(columns()))
def test_spoiled_row_is_shown_and_revoked(client, api, sam, alice, model, field):
    spoiled = []
    for value in values_for(field):
        pair = pair_of(alice)
        if overwrite(ROWS[model](pair), field, value):
            spoiled.append(pair)
    assert spoiled
    failed: list[object] = []
    client.raise_request_exception = api.raise_request_exception = False

    def send(method: str, path: str, *body: Any, by: Any = client, **more: Any) -> Any:
        answer = getattr(by, method)(path.format(user=alice.pk), *body, **more)
        if answer.status_code >= 500:
            failed.append((method, path, answer.status_code))
        return answer

    def bearer(pair: IssuedPair) -> dict[str, str]:
        return {"authorization": f"Bearer {pair.access}"}

    client.force_login(alice)
    send("get", "/account/sessions/")
    client.force_login(sam)
    for page in PAGES:
        send("get", page)
    by_api = bearer(pair_of(sam))
    for call in CALLS:
        send("get", call, by=api, headers=by_api)
    own = pair_of(alice)
    send("get", "/api/sessions", by=api, headers=bearer(own))
    for pair in spoiled:
        sid, jti = pair.session.pk, quote(pair.session.current.jti, safe="")
        send("get", f"/staff/sessions/{sid}/")
        send("get", f"/staff/tokens/{jti}/")
    for path in (
        f"/admin/tokens/session/{sid}/change/",
        f"/staff/revoke/?session={sid}",
        f"/staff/revoke/?token={jti}",
        f"/staff/search/?q={jti}",
    ):
        send("get", path)
    for pair in spoiled[::3]:
        send("post", "/staff/inspect/", {"token": pair.refresh})
        send("get", "/api/restricted", by=api, headers=bearer(pair))
        # The second refresh with the same token is a retry.
        for call, name in (("verify", "token"), ("refresh", "refresh"), ("refresh", "refresh")):
            send("post", f"/api/{call}", {name: pair.refresh}, by=api, format="json")

    number = preview(selection=Selection(users=(alice.pk,))).sessions
    body = {"reason": "lost device", "typed": str(number)}
    assert send("post", "/staff/revoke/?user={user}", body).status_code == 302
    for command in COMMANDS:
        call_command(command, stdout=io.StringIO(), stderr=io.StringIO())
    for pair in [own, *spoiled]:
        called = send("get", "/api/restricted", by=api, headers=bearer(pair))
        body = {"refresh": pair.refresh}
        refreshed = send("post", "/api/refresh", body, by=api, format="json")
        assert (called.status_code, refreshed.status_code) == (401, 401)
    assert not failed, "\n".join(map(str, failed))
