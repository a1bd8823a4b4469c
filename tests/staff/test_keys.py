"""Staff see which keys sign and verify, and until when."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import Group
from django.utils import timezone

from tests.keyring.conftest import SECRET
from tests.support.clock import travel
from tests.support.users import make_staff, make_user
from tokens.jwt.algorithms import ALGORITHMS
from tokens.keyring.acts import add_key, promote_key, retire_key
from tokens.keyring.counts import live_sessions_by_key
from tokens.keyring.following import database_ring
from tokens.keyring.protection import reveal
from tokens.models import SigningKey
from tokens.revocation import revoke_session
from tokens.sessions.issue import open_session

PAGE = "/staff/keys/"
GERMAN = {"accept-language": "de"}


@pytest.fixture
def staff(client, sam):
    client.force_login(sam)
    return client


@pytest.fixture
def ring(db, settings):
    settings.SIGNING_KEYS, settings.SIGNING_KEYS_SECRET = "database", SECRET


def test_page_says_that_the_keys_are_in_the_environment(staff):
    page = staff.get(PAGE).text
    assert "The keys are in the environment" in page
    assert "JWT_SIGNING_KEY" in page
    assert "No keys in the database" not in page
    assert "signing_keys” changes them" not in page


def test_page_marks_the_keys_that_this_process_cannot_use(staff, ring):
    add_key(algorithm=ALGORITHMS["HS256"])
    changed, good = (add_key(algorithm=ALGORITHMS[one]).key for one in ("ES256", "EdDSA"))
    retired = retire_key(kid=add_key(algorithm=ALGORITHMS["HS512"]).key.kid).key
    SigningKey.objects.filter(pk=changed.pk).update(algorithm="ES384")
    SigningKey.objects.filter(pk=retired.pk).update(algorithm="HS384")
    database_ring.forget()
    response = staff.get(PAGE)
    unusable = {row.key.kid for row in response.context["rows"] if row.unusable}
    assert unusable == {changed.kid}
    assert response.text.count("can't be used") == response.text.count("manage.py check") == 1
    assert response.text.count("can sign") == 1
    assert good.kid in response.text


def test_page_of_an_empty_ring_says_how_to_add_a_key(staff, ring):
    assert "signing_keys add" in staff.get(PAGE).text


def test_page_shows_each_key_with_its_next_step_and_no_secret(staff, ring, alice):
    add_key(algorithm=ALGORITHMS["HS256"])
    open_session(user=alice)
    promote_key(kid=add_key(algorithm=ALGORITHMS["ES256"]).key.kid, at_once=True)
    add_key(algorithm=ALGORITHMS["EdDSA"])
    retire_key(kid=add_key(algorithm=ALGORITHMS["HS512"]).key.kid)
    page = staff.get(PAGE).text
    for word in ("upcoming", "signing", "verifying", "retired", "can sign", "last token expires"):
        assert word in page
    for key in SigningKey.objects.all():
        assert key.kid in page
        assert not (material := reveal(key)) or material not in page
    old = SigningKey.objects.get(algorithm="HS256")
    address = f"/staff/sessions/?status=active&signing_key={old.kid}"
    assert address.replace("&", "&amp;") in page
    assert "alice" in staff.get(address).text
    other = SigningKey.objects.get(algorithm="EdDSA")
    assert "alice" not in staff.get(address.replace(old.kid, other.kid)).text.split("<main")[1]
    german = staff.get(PAGE, headers=GERMAN).text
    assert all(word in german for word in ("künftig", "signiert", "stillgelegt"))


def test_page_needs_its_permission_which_both_groups_have(client, db):
    client.force_login(make_staff("outsider"))
    assert client.get(PAGE).status_code == 403
    for name in ("Token staff", "Token auditors"):
        person = make_staff(name.replace(" ", "-"))
        person.groups.add(Group.objects.get(name=name))
        client.force_login(person)
        assert client.get(PAGE).status_code == 200


def test_page_counts_the_live_sessions_of_each_key(staff, ring, alice, monkeypatch):
    first = add_key(algorithm=ALGORITHMS["HS256"]).key
    for _ in range(3):
        open_session(user=alice)
    second = promote_key(kid=add_key(algorithm=ALGORITHMS["ES256"]).key.kid, at_once=True).key
    # The transaction of a test never commits.
    database_ring.forget()
    revoke_session(session=open_session(user=alice).session, actor=None, reason="lost device")
    open_session(user=alice)

    def counted():
        found = live_sessions_by_key(list(SigningKey.objects.all()))
        return {kid: str(number) for kid, number in found.items()}

    assert counted() == {first.kid: "3", second.kid: "1"}
    rows = {row.key.kid: str(row.sessions) for row in staff.get(PAGE).context["rows"]}
    assert rows == counted()
    monkeypatch.setattr("tokens.keyring.counts.CAP", 2)
    assert set(counted().values()) <= {"more than 0", "more than 1", "more than 2"}


@pytest.mark.parametrize(("days", "words"), [(1, ""), (6.5, "expires soon"), (9, "have expired")])
def test_overview_warns_before_the_last_token_of_a_key_expires(client, ring, sam, days, words):
    with travel(timezone.now() - timedelta(days=days)):
        old = add_key(algorithm=ALGORITHMS["HS256"]).key
        promote_key(kid=add_key(algorithm=ALGORITHMS["ES256"]).key.kid, at_once=True)
    client.force_login(sam)
    page = client.get("/staff/").text
    assert (f"signing key {old.kid}" in page) == bool(words)
    assert words in page


def test_admin_shows_keys_without_their_private_half(client, ring):
    key = add_key(algorithm=ALGORITHMS["HS256"]).key
    client.force_login(make_user("root", is_staff=True, is_superuser=True))
    address = "/admin/tokens/signingkey/"
    for page in (address, f"{address}{key.pk}/change/"):
        text = client.get(page).text
        assert key.kid in text
        assert reveal(key) not in text
        assert "protected" not in text.lower()
    assert client.post(f"{address}{key.pk}/change/", {"state": "retired"}).status_code == 403
    assert client.get(f"{address}add/").status_code == 403
