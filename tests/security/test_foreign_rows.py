"""Rows that another service wrote into simplejwt's table never cause a server error."""

import base64
import contextlib
import io
import json
import sys
from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import transaction
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode

from tokens.listing.tokens import TokenQuery
from tokens.models import BlacklistedToken, OutstandingToken, Session
from tokens.revocation import Selection, preview, revoke_matching
from tokens.revocation.sessions import end_sessions, end_tokens, lock_sessions
from tokens.sessions.issue import open_session


def part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def token(payload: object, header: object = {"alg": "HS256"}) -> str:
    return f"{part(header)}.{part(payload)}.c2ln"


def raw(payload: bytes) -> str:
    return f"{part({})}.{base64.urlsafe_b64encode(payload).rstrip(b'=').decode()}.c2ln"


TEXTS = {
    "no type": token({"jti": "a", "user_id": 1, "exp": 2_000_000_000}),
    "no jti": token({"token_type": "refresh", "user_id": 1}),
    "no user": token({"token_type": "refresh", "jti": "a"}),
    "empty object": token({}),
    "list": token([1]),
    "text": token("x"),
    "null": token(None),
    "header list": token({"jti": "a"}, [1]),
    "odd times": token({"exp": "soon", "iat": 1e300, "nbf": None, "auth_time": [], "jti": 5}),
    "huge times": token({"exp": 10**30, "iat": -(10**30), "nbf": 2**63}),
    "no json": raw(b"{exp: 1}"),
    "twice": raw(b'{"jti": "a", "jti": "b", "exp": 1, "exp": "x"}'),
    "not utf-8": raw(b'{"jti": "\xff"}'),
    "infinity": raw(b'{"exp": Infinity, "iat": NaN}'),
    "odd claims": token({"sid": {"a": 1}, "user_id": [2], "sub": None, "jti": {"x": []}, "": ""}),
    "long number": token({"user_id": int("9" * 400), "sid": "x" * 300}),
    "surrogate": raw(b'{"jti": "\\ud800", "a": "\\u0000"}'),
    "deep": raw(b'{"a":' + b"[" * 3000),
    "undecodable": "…!%",
    "one part": "abc",
    "empty": "",
    "dots": "......",
    "long": "x" * 40_000,
    "quotes": "'\"<script>\u202e\x1b",
}  # fmt: skip
JTIS = [
    "ünïcödé",
    "a/b",
    "a?b#c",
    "%00",
    "..",
    "日本",
    "x" * 255,
    " ",
    "a b",
    "😀",
    "a+b%2F",
    "\u202e",
]


@pytest.fixture
def rows(alice: User) -> list[OutstandingToken]:
    made: list[OutstandingToken] = []
    end = timezone.now() + timedelta(days=3)
    for at, text in enumerate(TEXTS.values()):
        for created in (timezone.now(), None):
            made.append(
                OutstandingToken.objects.create(
                    user=alice if at % 2 else None, jti=f"foreign-{len(made)}", token=text,
                    created_at=created, expires_at=end,
                )
            )  # fmt: skip
    others = [{"jti": jti, "token": "", "expires_at": end} for jti in JTIS]
    for instant in (datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, tzinfo=UTC)):
        ended = {"created_at": instant, "expires_at": instant}
        others.append({"jti": str(instant), "token": "h.p.", **ended})
    made += [OutstandingToken.objects.create(user=alice, **other) for other in others]
    BlacklistedToken.objects.create(token=made[0])
    return made


LISTS = ("", "?status=active", "?status=expired", "?q=alice", "?issued_before=2100-01-01T00:00")


def test_pages_show_foreign_rows(client, sam, alice, rows):
    client.force_login(sam)
    answers = {}
    for row in rows:
        if row.jti != "..":  # A browser resolves it away.
            answers[reverse("tokens_staff:token", args=[row.jti])] = 200
        answers[reverse("admin:token_blacklist_outstandingtoken_change", args=[row.pk])] = 200
        answers[f"/staff/revoke/?{urlencode({'token': row.jti})}"] = 200
    for page in ("/staff/tokens/", "/admin/token_blacklist/outstandingtoken/"):
        answers |= {page + query: 200 for query in LISTS}
    answers |= {f"/staff/users/{alice.pk}/": 200, f"/staff/users/{alice.pk}/?page=x": 200}
    answers |= {"/staff/": 200, "/staff/revoke/?matching=tokens&q=alice": 200}
    answers |= {reverse("admin:auth_user_change", args=[alice.pk]): 200}
    found = {address: client.get(address).status_code for address in answers}
    assert {a: s for a, s in found.items() if s != answers[a]} == {}


def test_api_shows_foreign_rows(api, login, sam, rows):
    headers = {"authorization": f"Bearer {login(api, sam)['access']}"}
    for query in LISTS:
        answer = api.get(f"/api/staff/tokens{query}", headers=headers)
        assert answer.status_code in (200, 400), (query, answer.text)
    for row in rows:
        if "/" in row.jti or row.jti == "..":
            continue
        answer = api.get(reverse("tokens_api:staff-token", args=[row.jti]), headers=headers)
        assert answer.status_code == 200, (row.jti, answer.text)
        json.loads(answer.text, parse_constant=pytest.fail)


@pytest.mark.parametrize("text", [text for text in TEXTS.values() if text])
def test_inspector_and_api_judge_foreign_texts(client, api, sam, login, text):
    client.force_login(sam)
    assert client.post("/staff/inspect/", {"token": text}).status_code == 200
    headers = {"authorization": f"Bearer {login(api, sam)['access']}"}
    for path, name in (("verify", "token"), ("refresh", "refresh"), ("introspect", "token")):
        answer = api.post(f"/api/{path}", {name: text}, format="json", headers=headers)
        assert answer.status_code in (200, 401)
    assert api.post("/api/logout", {"refresh": text}, format="json").status_code == 200


def test_signed_claims_that_are_no_json_are_answered(client, api, sam, alice, login):
    pair = open_session(user=alice, surrogate="\ud800", nul="\0", infinite=float("inf"))
    client.force_login(sam)
    headers = {"authorization": f"Bearer {login(api, sam)['access']}"}
    for token in (pair.access, pair.refresh):
        assert client.post("/staff/inspect/", {"token": token}).status_code == 200
        for path in ("introspect", "verify"):
            answer = api.post(f"/api/{path}", {"token": token}, format="json", headers=headers)
            assert answer.status_code in (200, 401), answer.text
    jti = pair.session.current.jti
    assert client.get(f"/staff/tokens/{jti}/").status_code == 200
    assert api.get(f"/api/staff/tokens/{jti}", headers=headers).status_code == 200
    monitored = io.StringIO(pair.access)
    with contextlib.redirect_stdout(io.StringIO()):
        sys.stdin, before = monitored, sys.stdin
        try:
            call_command("inspect_token")
        finally:
            sys.stdin = before


def test_commands_take_foreign_rows(rows, capsys, tmp_path):
    call_command("redact_tokens")
    assert not OutstandingToken.objects.filter(token__endswith="c2ln").exists()
    call_command("redact_tokens")
    call_command("purge_tokens")
    call_command("export_events", format="csv", output=str(tmp_path / "events"))


def test_sets_of_no_rows_are_locked_and_ended(db, sam):
    none = Session.objects.filter(pk__in=[])
    with transaction.atomic():
        lock_sessions(sessions=none)
        assert not end_sessions(sessions=none, actor=sam, reason="none")
        assert not end_tokens(tokens=OutstandingToken.objects.filter(pk__in=[]))


def test_what_the_review_counts_is_what_ends(sam, rows):
    selection = Selection(matching=TokenQuery(q="alice"))
    found = preview(selection=selection)
    ended = revoke_matching(selection=selection, actor=sam, reason="foreign")
    assert found.tokens == ended.tokens > 0
    assert preview(selection=selection).tokens == 0


def test_each_foreign_row_can_be_revoked_from_its_page(client, sam, rows):
    client.force_login(sam)
    for row in rows:
        address = f"/staff/revoke/?{urlencode({'token': row.jti})}"
        answer = client.post(address, {"reason": "lost device"})
        assert answer.status_code in (302, 422), (row.jti, answer.status_code)
    live = OutstandingToken.objects.filter(blacklistedtoken=None, expires_at__gt=timezone.now())
    assert list(live.values_list("jti", flat=True)) == []
