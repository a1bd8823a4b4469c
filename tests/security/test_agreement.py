"""However a session ends, restricted, refresh, verify and introspect say the same at once."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.utils import timezone
from rest_framework.test import APIClient

from tests.support.users import make_user
from tokens import revocation
from tokens.models import OutstandingToken, Session

INACTIVE = b'{"active":false}'


def changed_password(user: User) -> None:
    user.set_password("another correct horse 7")
    user.save()


def deactivated(user: User) -> None:
    user.is_active = False
    user.save()


def by_plain_sql(**values: Any) -> Callable[[User], Any]:
    return lambda user: User.objects.filter(pk=user.pk).update(**values)


ENDS: dict[str, Callable[[User], Any]] = {
    "token revoked": lambda user: revocation.revoke_token(
        jti=OutstandingToken.objects.get(user=user).jti, actor=None, reason="test"
    ),
    "session revoked": lambda user: revocation.revoke_session(
        session=Session.objects.get(user=user), actor=None, reason="test"
    ),
    "all revoked": lambda user: revocation.revoke_user(user=user, actor=None, reason="test"),
    "selection revoked": lambda user: revocation.revoke_matching(
        selection=revocation.Selection(users=(user.pk,)), actor=None, reason="test"
    ),
    "cut-off": lambda user: revocation.cut_off(
        user=user, not_before=timezone.now(), actor=None, reason="test"
    ),
    "password changed": changed_password,
    "password changed in the database": by_plain_sql(password="!"),
    "deactivated": deactivated,
    "deactivated in the database": by_plain_sql(is_active=False),
    "deleted": lambda user: user.delete(),
    "past its end": lambda user: Session.objects.filter(user=user).update(
        expires_at=timezone.now() - timedelta(seconds=1)
    ),
}


@pytest.fixture
def service(db: None) -> User:
    """Return the account of a resource server, which outlives the acts on Alice."""
    account = make_user("service")
    account.user_permissions.add(Permission.objects.get(codename="introspect_token"))
    return account


@pytest.mark.parametrize("name", ENDS)
def test_restricted_refresh_verify_and_introspect_agree_on_every_end(
    name: str, api: APIClient, alice: User, service: User, login
) -> None:
    asking = {"authorization": f"Bearer {login(api, service)['access']}"}
    pair = login(api, alice)

    def told() -> list[Any]:
        held = {"authorization": f"Bearer {pair['access']}"}
        answers = [api.get("/api/restricted", headers=held).status_code]
        for token in pair.values():
            body = {"token": token}
            answers.append(api.post("/api/verify", body, format="json").status_code)
            seen = api.post("/api/introspect", body, format="json", headers=asking)
            answers.append(seen.content if not seen.json()["active"] else "active")
        return answers

    assert told() == [200, 200, "active", 200, "active"]
    ENDS[name](alice)
    assert told() == [401, 401, INACTIVE, 401, INACTIVE]
    refresh = api.post("/api/refresh", {"refresh": pair["refresh"]}, format="json")
    assert refresh.status_code == 401


@pytest.mark.parametrize("name", ENDS)
def test_introspection_tells_no_end_from_another(name: str, api, alice, service, login) -> None:
    asking = {"authorization": f"Bearer {login(api, service)['access']}"}
    token = login(api, alice)["refresh"]
    ENDS[name](alice)
    answers = {
        api.post("/api/introspect", {"token": text}, format="json", headers=asking).content
        for text in (token, "rubbish", token[:-4] + "AAAA")
    }
    assert answers == {INACTIVE}
