"""A project's own simplejwt views issue, rotate, verify and blacklist through the core."""

from datetime import timedelta

import jwt
import pytest
from django.db import OperationalError, connection
from rest_framework.exceptions import AuthenticationFailed
from rest_framework_simplejwt.exceptions import TokenError
from rest_framework_simplejwt.settings import api_settings
from rest_framework_simplejwt.tokens import AccessToken, RefreshToken

from tests.support.tokens import failed, jti, kinds, later
from tests.support.users import PASSWORD
from tokens.jwt.claims import parse, redact
from tokens.models import BlacklistedToken, Kind, OutstandingToken, Refusal, Session
from tokens.revocation import revoke_session, revoke_user

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.simplejwt.host")]


@pytest.fixture
def post(api):
    def send(path, **body):
        return api.post(path, body, format="json")

    return send


@pytest.fixture
def pair(post, alice):
    answer = post("/jwt/", username="alice", password=PASSWORD)
    assert answer.status_code == 200, answer.content
    return answer.json()


def who(api, access):
    return api.get("/who/", headers={"authorization": f"Bearer {access}"})


def test_login_opens_a_session_from_the_address_of_the_request(post, pair, api):
    session = Session.objects.get()
    assert session.ip == "127.0.0.1"
    assert session.current.jti == jti(pair["refresh"])
    assert kinds() == [Kind.LOGIN]
    assert who(api, pair["access"]).json()["user"] == "alice"


def test_wrong_password_gets_the_answer_of_simplejwt(post, alice):
    answer = post("/jwt/", username="alice", password="wrong")
    assert answer.status_code == 401
    assert answer.json()["detail"] == "No active account found with the given credentials"
    assert not Session.objects.exists()


def test_claims_of_a_subclassed_serializer_are_stored_and_carried_over(post, alice):
    answer = post("/jwt/tenant/", username="alice", password=PASSWORD).json()
    assert answer["name"] == "alice"
    assert OutstandingToken.objects.get().token == redact(answer["refresh"])
    for _ in range(2):
        for token in (answer["refresh"], answer["access"]):
            assert parse(token).payload["tenant"] == "north"
            assert failed(token) is None
        answer = post("/jwt/refresh/", refresh=answer["refresh"]).json()
    row = OutstandingToken.objects.get(jti=jti(answer["refresh"]))
    assert row.token == redact(answer["refresh"])


@pytest.mark.parametrize("path", ["/jwt/refresh/", "/jwt/cookie/"])
def test_refresh_rotates_and_a_reuse_ends_the_session(post, pair, path):
    second = post(path, refresh=pair["refresh"]).json()
    assert failed(second["access"]) is failed(second["refresh"]) is None
    with later(seconds=11):
        answer = post(path, refresh=pair["refresh"])
        assert answer.status_code == 401
        assert answer.json() == {
            "detail": "Token is no longer valid",
            "code": "token_not_valid",
        }
        assert failed(second["access"]) == "revoked"
    assert Session.objects.get().revoked_at is not None


def test_serializer_that_subclasses_simplejwts_keeps_its_own_keys(post, pair):
    assert post("/jwt/cookie/", refresh=pair["refresh"]).json()["cookie"] is True


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("path", ["/jwt/refresh/", "/renew/"])
def test_reuse_ends_the_session_under_atomic_requests(post, pair, monkeypatch, path):
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)
    second = post(path, refresh=pair["refresh"]).json()
    with later(seconds=11):
        for _ in range(2):
            assert post(path, refresh=pair["refresh"]).status_code == 401
    assert failed(second["access"]) == "revoked"
    assert kinds() == [Kind.LOGIN, Kind.REFRESH, Kind.REUSE]


@pytest.mark.django_db(transaction=True)
def test_all_views_work_under_atomic_requests(api, post, alice, monkeypatch):
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)
    pair = post("/login/", username="alice", password=PASSWORD).json()
    pair = post("/jwt/refresh/", refresh=pair["refresh"]).json()
    assert who(api, pair["access"]).status_code == 200
    assert post("/jwt/verify/", token=pair["access"]).status_code == 200
    assert post("/jwt/blacklist/", refresh=pair["refresh"]).status_code == 200
    assert who(api, pair["access"]).status_code == 401


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("path", ["/who/", "/jwt/refresh/", "/jwt/verify/", "/jwt/blacklist/"])
def test_refusal_is_remembered_under_atomic_requests(api, post, pair, monkeypatch, path):
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)
    revoke_session(session=Session.objects.get(), actor=None, reason="lost")
    if path == "/who/":
        answer = who(api, pair["access"])
    else:
        name = "token" if "verify" in path else "refresh"
        answer = post(path, **{name: pair["refresh"]})
    assert answer.status_code == 401
    assert Refusal.objects.get().request_id == answer["X-Request-ID"]


def test_refresh_without_rotation_returns_an_access_token_alone(post, pair, monkeypatch):
    monkeypatch.setattr(api_settings, "ROTATE_REFRESH_TOKENS", False)
    used = Session.objects.get().last_used_at
    for _ in range(2):
        answer = post("/jwt/refresh/", refresh=pair["refresh"]).json()
        assert answer.keys() == {"access"}
        assert failed(answer["access"]) is None
    assert Session.objects.get().last_used_at > used
    assert kinds() == [Kind.LOGIN, Kind.REFRESH, Kind.REFRESH]
    revoke_session(session=Session.objects.get(), actor=None, reason="lost")
    assert post("/jwt/refresh/", refresh=pair["refresh"]).status_code == 401


def test_verify_refuses_what_a_revocation_ended(post, pair, alice):
    for token in pair.values():
        assert post("/jwt/verify/", token=token).json() == {}
    revoke_user(user=alice, actor=None, reason="left")
    for token in pair.values():
        assert post("/jwt/verify/", token=token).status_code == 401


@pytest.mark.parametrize("rubbish", ["a", "a.b.c", "é.é.é", "\0"])
def test_rubbish_is_refused_in_the_shape_of_simplejwt(post, alice, rubbish):
    for path, name in (("refresh", "refresh"), ("verify", "token"), ("blacklist", "refresh")):
        answer = post(f"/jwt/{path}/", **{name: rubbish})
        assert answer.status_code in (400, 401), answer.content


def test_blacklist_logs_out(api, post, pair):
    assert post("/jwt/blacklist/", refresh=pair["refresh"]).status_code == 200
    assert who(api, pair["access"]).status_code == 401
    assert post("/jwt/blacklist/", refresh=pair["refresh"]).status_code == 401
    assert kinds() == [Kind.LOGIN, Kind.LOGOUT]


@pytest.mark.parametrize("path", ["/jwt/", "/jwt/refresh/", "/jwt/verify/", "/who/"])
def test_fault_of_the_database_is_a_503(api, pair, settings, path):
    settings.MIDDLEWARE = ["tokens.web.middleware.RequestContextMiddleware"]
    body = {"username": "alice", "password": PASSWORD, **pair, "token": pair["access"]}
    api.credentials(HTTP_AUTHORIZATION=f"Bearer {pair['access']}")

    def away(execute, sql, params, many, context):
        if "tokens_session" in sql or "auth_user" in sql:
            raise OperationalError("server closed the connection")
        return execute(sql, params, many, context)

    with connection.execute_wrapper(away):
        answer = api.get(path) if path == "/who/" else api.post(path, body, format="json")
    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) > 0


@pytest.mark.parametrize("path", ["/jwt/", "/login/"])
def test_locked_account_is_a_429_in_every_view(post, alice, settings, path):
    settings.MIDDLEWARE = ["tokens.web.middleware.RequestContextMiddleware"]
    settings.LOGIN_ATTEMPTS = 1
    assert post(path, username="alice", password="wrong").status_code in (401, 403)
    answer = post(path, username="alice", password=PASSWORD)
    assert answer.status_code == 429
    assert "Too many attempts" in answer.json()["detail"]
    assert int(answer.headers["Retry-After"]) > 0


@pytest.mark.parametrize(
    ("change", "status"), [({"is_active": False}, 401), ({}, 503)], ids=["inactive", "claims"]
)
def test_what_open_session_raises_is_answered(post, alice, settings, change, status):
    settings.MIDDLEWARE = ["tokens.web.middleware.RequestContextMiddleware"]
    settings.CLAIMS = "tests.simplejwt.host.failing_claims"
    type(alice).objects.filter(pk=alice.pk).update(**(change or {"is_active": True}))
    answer = post("/open/")
    assert answer.status_code == status
    assert answer.json()["detail"]
    assert not Session.objects.exists()


@pytest.fixture
def _own_names(monkeypatch):
    for name, value in (("JTI_CLAIM", "id"), ("TOKEN_TYPE_CLAIM", "kind"),
                        ("USER_ID_CLAIM", "sub"), ("USER_ID_FIELD", "username")):  # fmt: skip
        monkeypatch.setattr(api_settings, name, value)
    # simplejwt makes this of the settings when it is imported.
    monkeypatch.setattr(RefreshToken, "no_copy_claims", ("kind", "exp", "id", "jti", "iat"))


@pytest.mark.usefixtures("_own_names")
@pytest.mark.parametrize("path", ["/jwt/", "/login/"])
def test_claims_have_the_names_that_the_project_gave_them(api, post, alice, path):
    first = post(path, username="alice", password=PASSWORD).json()
    assert parse(first["access"]).payload["sub"] == "alice"
    assert who(api, first["access"]).status_code == 200
    second = post("/jwt/refresh/", refresh=first["refresh"]).json()
    assert post("/jwt/refresh/", refresh=first["refresh"]).json()["refresh"] == second["refresh"]
    payload = parse(second["refresh"]).payload
    assert payload["kind"] == "refresh"
    assert OutstandingToken.objects.filter(jti=payload["id"]).exists()
    assert post("/jwt/verify/", token=second["refresh"]).status_code == 200
    assert who(api, second["refresh"]).status_code == 401
    assert post("/jwt/blacklist/", refresh=second["refresh"]).status_code == 200
    assert who(api, second["access"]).status_code == 401


@pytest.mark.parametrize("leeway", [30, timedelta(seconds=30)])
def test_leeway_of_the_project_is_kept(api, pair, monkeypatch, leeway):
    monkeypatch.setattr(api_settings, "LEEWAY", leeway)
    assert who(api, pair["access"]).status_code == 200
    for seconds, status in ((20, 200), (40, 401)):
        with later(minutes=5, seconds=seconds):
            assert who(api, pair["access"]).status_code == status


def test_audience_and_issuer_of_the_project_are_kept(api, post, alice, monkeypatch):
    monkeypatch.setattr(api_settings, "AUDIENCE", "app")
    monkeypatch.setattr(api_settings, "ISSUER", "https://app")
    first = post("/login/", username="alice", password=PASSWORD).json()
    second = post("/jwt/refresh/", refresh=first["refresh"]).json()
    for pair in (first, second):
        for token in pair.values():
            payload = parse(token).payload
            assert (payload["aud"], payload["iss"]) == ("app", "https://app")
    assert who(api, second["access"]).status_code == 200


def test_app_audience_is_in_the_access_tokens_of_every_view(api, post, alice, settings):
    settings.JWT_AUDIENCE = "app"
    for path in ("/jwt/", "/login/"):
        first = post(path, username="alice", password=PASSWORD).json()
        second = post("/jwt/refresh/", refresh=first["refresh"]).json()
        for pair in (first, second):
            access, refresh = parse(pair["access"]), parse(pair["refresh"])
            assert (access.header["typ"], access.payload["aud"]) == ("at+jwt", "app")
            assert access.payload["sub"] == str(alice.pk)
            assert "aud" not in refresh.payload
            assert who(api, pair["access"]).status_code == 200
        bearer = {"HTTP_AUTHORIZATION": f"Bearer {second['access']}"}
        assert api.post("/logout/", {"refresh": second["refresh"]}, **bearer).status_code < 300
        assert who(api, second["access"]).status_code == 401


# --- RefreshToken.for_user in a view.


def test_token_of_for_user_belongs_to_a_session_and_is_stored_with_later_claims(api, post, alice):
    answer = post("/login/", username="alice", password=PASSWORD).json()
    assert who(api, answer["access"]).json() == {"user": "alice", "role": "editor"}
    assert parse(answer["refresh"]).payload["role"] == "editor"
    row = OutstandingToken.objects.get()
    assert row.token == redact(answer["refresh"])
    assert Session.objects.get().current == row
    second = post("/jwt/refresh/", refresh=answer["refresh"]).json()
    assert who(api, second["access"]).json()["role"] == "editor"


def test_logout_view_that_blacklists_ends_the_session(api, post, alice):
    answer = post("/login/", username="alice", password=PASSWORD).json()
    api.credentials(HTTP_AUTHORIZATION=f"Bearer {answer['access']}")
    assert post("/logout/", refresh=answer["refresh"]).status_code == 205
    assert api.get("/who/").status_code == 401
    assert BlacklistedToken.objects.get().token.jti == jti(answer["refresh"])
    assert kinds() == [Kind.LOGIN, Kind.LOGOUT]


def test_inactive_account_gets_no_token(post, alice, bob):
    bob.is_active = False
    bob.save()
    with pytest.raises(AuthenticationFailed, match="No active account"):
        RefreshToken.for_user(bob)
    assert not Session.objects.exists()


def test_expiry_that_a_view_sets_is_stored_and_ends_with_the_session(alice):
    token = RefreshToken.for_user(alice)
    token.set_exp(lifetime=timedelta(days=2))
    text = str(token)
    row, session = OutstandingToken.objects.get(), Session.objects.get()
    assert row.expires_at.timestamp() == parse(text).payload["exp"]
    assert session.ends_at == row.expires_at
    token.set_exp(lifetime=timedelta(days=400))
    assert parse(str(token)).payload["exp"] == int(session.expires_at.timestamp())


def test_project_without_session_days_keeps_its_long_refresh_tokens(alice, settings, monkeypatch):
    monkeypatch.setattr(api_settings, "REFRESH_TOKEN_LIFETIME", timedelta(days=90))
    monkeypatch.setattr(RefreshToken, "lifetime", timedelta(days=90))
    assert len(str(RefreshToken.for_user(alice)))
    session = Session.objects.get()
    assert session.expires_at - session.created_at == timedelta(days=30)
    session.delete()
    del settings.SESSION_DAYS
    token = RefreshToken.for_user(alice)
    session = Session.objects.get()
    assert session.expires_at - session.created_at == timedelta(days=90)
    with later(days=80):
        assert failed(str(token)) is None


def test_id_that_a_view_sets_is_stored(alice):
    token = RefreshToken.for_user(alice)
    token.set_jti()
    text = str(token)
    assert failed(text) is None
    assert OutstandingToken.objects.get().jti == jti(text)


def test_unchanged_token_is_written_once(alice, django_assert_num_queries):
    token = RefreshToken.for_user(alice)
    with django_assert_num_queries(0):
        assert str(token) == str(token)
        assert str(token.access_token)


def test_subclass_keeps_its_lifetime_and_access_class(post, alice):
    class LongToken(RefreshToken):
        lifetime = timedelta(days=20)

    token = LongToken.for_user(alice)
    assert type(token) is LongToken
    expires = OutstandingToken.objects.get().expires_at
    assert expires - Session.objects.get().created_at > timedelta(days=19)
    assert failed(str(token)) is None


def test_parsed_token_is_checked_by_the_core(alice):
    text = str(RefreshToken.for_user(alice))
    assert RefreshToken(text)["sid"]
    revoke_user(user=alice, actor=None, reason="left")
    with pytest.raises(TokenError, match="blacklisted"):
        RefreshToken(text)
    RefreshToken(text, verify=False).outstand()
    assert OutstandingToken.objects.count() == 1


def test_row_of_a_token_made_by_hand_has_no_signature(alice):
    token = RefreshToken()
    token[api_settings.USER_ID_CLAIM] = str(alice.pk)
    row, created = token.outstand()
    assert created
    assert row.user == alice
    assert row.token.endswith(".")
    assert token.outstand() == (row, False)


def test_access_token_names_its_key(alice):
    token = RefreshToken.for_user(alice)
    assert "kid" in jwt.get_unverified_header(str(token))


def banned(user):
    return user is not None and user.is_active and user.first_name != "banned"


@pytest.mark.parametrize("rotates", [True, False])
@pytest.mark.parametrize("path", ["/jwt/refresh/", "/renew/"])
def test_rule_of_the_project_refuses_a_refresh_and_uses_nothing_up(
    post, pair, alice, monkeypatch, path, rotates
):
    monkeypatch.setattr(api_settings, "USER_AUTHENTICATION_RULE", banned)
    monkeypatch.setattr(api_settings, "ROTATE_REFRESH_TOKENS", rotates)
    type(alice).objects.update(first_name="banned")
    answer = post(path, refresh=pair["refresh"])
    assert (answer.status_code, answer.json()["code"]) == (401, "token_not_valid")
    assert post("/jwt/", username="alice", password=PASSWORD).status_code == 401
    assert kinds() == [Kind.LOGIN]
    type(alice).objects.update(first_name="")
    assert post(path, refresh=pair["refresh"]).status_code == 200


def test_access_token_without_a_session_ends_with_its_user(api, alice, settings):
    settings.LEGACY_UNTIL = ""
    access = str(AccessToken.for_user(alice))
    assert who(api, access).status_code == 200
    revoke_user(user=alice, actor=None, reason="left")
    assert who(api, access).status_code == 401
