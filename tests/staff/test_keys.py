"""Staff see which keys sign and verify, and until when."""

import pytest
from django.contrib.auth.models import Group

from tests.keyring.conftest import SECRET
from tests.support.users import make_staff
from tokens.jwt.algorithms import ALGORITHMS
from tokens.keyring.acts import add_key, promote_key, retire_key
from tokens.keyring.protection import reveal
from tokens.models import SigningKey
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
    assert "No keys in the database" in page
    assert "JWT_SIGNING_KEY" in page


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
