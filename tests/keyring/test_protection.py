"""No private key can be read from the database, and no row that someone else wrote is a key."""

import base64
import json
from io import StringIO

import jwt
import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, transaction

from tests.keyring.conftest import SECRET
from tests.support.tokens import failed, pair_of
from tokens.jwt.algorithms import ALGORITHMS
from tokens.jwt.keys import key_ring, make_key
from tokens.jwt.signing import read
from tokens.keyring.acts import (
    KeyRefused,
    add_from_environment,
    add_key,
    encrypt_again,
    retire_in_emergency,
)
from tokens.keyring.checks import check_ring
from tokens.keyring.following import database_ring
from tokens.keyring.protection import NotAuthentic, protect, reveal
from tokens.models import SigningKey

OTHER = "another-secret-of-the-tests-ring-hJ5qW8xR2vN7tM4kP9sL3dF6g"


def dump():
    """Return every column of the table, as a dump has it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM tokens_signingkey")
        return b"\n".join(
            bytes(value) if isinstance(value, bytes | memoryview) else str(value).encode()
            for row in cursor.fetchall()
            for value in row
        )


def forms_of(material):
    """Return the forms in which a dump could give a private key away."""
    raw = material.encode()
    body = "".join(material.splitlines()[1:-1]).encode() or raw
    return [raw, body, base64.b64encode(raw), raw.hex().encode()]


@pytest.mark.parametrize("algorithm", ["HS256", "EdDSA", "RS256", "ES256"])
def test_database_holds_no_private_key_in_the_clear(rotate_to, algorithm):
    key = rotate_to(algorithm)
    text = dump()
    for form in forms_of(reveal(key)):
        assert form not in text
    if key.public:
        assert not {"d", "k", "p", "q"} & json.loads(key.public).keys()


def test_no_act_leaves_a_private_key_in_its_event_or_on_the_screen(rotate_to, run):
    from tokens.models import Event

    key = rotate_to("HS256")
    secret = reveal(key)
    said = json.dumps([run("list"), run("add", "--alg", "HS512"), run("list")])
    trail = json.dumps(list(Event.objects.values_list("data", flat=True)))
    assert secret not in said + trail


def ignored(kid):
    database_ring.forget()
    return kid not in key_ring().by_kid


CHANGES = [
    {"state": "verifying"},
    {"state": "signing"},
    {"algorithm": "ES384"},
    {"algorithm": "HS256"},
    {"public": "{}"},
    {"kid": "another"},
    {"protected": b""},
    {"protected": b"x" * 64},
]


@pytest.mark.parametrize("change", CHANGES, ids=str)
def test_changed_row_is_no_key(rotate_to, change):
    rotate_to("EdDSA")
    key = add_key(algorithm=ALGORITHMS["ES256"]).key
    if change == {"state": "signing"}:
        SigningKey.objects.filter(state="signing").delete()
    SigningKey.objects.filter(pk=key.pk).update(**change)
    assert ignored(change.get("kid", key.kid))


@pytest.mark.parametrize("name", ["added_at", "signing_at", "verifying_at", "retired_at"])
def test_row_with_another_date_is_no_key(rotate_to, name):
    key = rotate_to("EdDSA")
    SigningKey.objects.filter(pk=key.pk).update(**{name: "2001-01-01T00:00:00Z"})
    assert ignored(key.kid)


def test_row_that_an_attacker_inserts_is_no_key(alice, rotate_to, settings):
    rotate_to("EdDSA")
    claims = read(pair_of(alice).access)
    algorithm = ALGORITHMS["ES256"]
    material = algorithm.generate()
    own = make_key(material=material, algorithm=algorithm)
    settings.SIGNING_KEYS_SECRET = OTHER
    row = SigningKey(
        kid=own.kid, algorithm="ES256", state="verifying", public=json.dumps(dict(own.jwk))
    )
    protect(row, material)
    row.save()
    settings.SIGNING_KEYS_SECRET = SECRET
    forged = jwt.encode(claims, own.signing, algorithm="ES256", headers={"kid": own.kid})
    assert failed(forged) == "signature"
    assert ignored(own.kid)
    # The operator removes it like any key.
    retire_in_emergency(kid=own.kid, reason="not ours")
    assert reveal(SigningKey.objects.get(kid=own.kid)) == ""


def test_parts_of_two_rows_make_no_third(rotate_to):
    first, second = rotate_to("ES256"), rotate_to("ES256")
    SigningKey.objects.filter(pk=first.pk).update(protected=second.protected)
    assert ignored(first.kid)
    assert not ignored(second.kid)


def test_earlier_row_of_a_retired_key_does_not_bring_it_back(alice, rotate_to):
    """It is authentic: the trail says that the key was retired since."""
    rotate_to("EdDSA")
    before = rotate_to("ES256")
    access = pair_of(alice).access
    retire_in_emergency(kid=before.kid, reason="leaked")
    SigningKey.objects.filter(state="signing").delete()
    SigningKey.objects.filter(pk=before.pk).delete()
    before.save(force_insert=True)
    assert reveal(before)
    assert ignored(before.kid)
    assert failed(access) == "signature"


def put_back(row):
    """Replace a row by an earlier one of the same key, which is authentic."""
    SigningKey.objects.filter(pk=row.pk).delete()
    row.save(force_insert=True)


def test_earlier_row_of_a_retired_key_is_named_and_never_signs(rotate_to, run):
    rotate_to("EdDSA")
    leaked = add_key(algorithm=ALGORITHMS["ES256"]).key
    before = SigningKey.objects.get(pk=leaked.pk)
    retire_in_emergency(kid=leaked.kid, reason="leaked")
    put_back(before)
    assert [message.id for message in check_ring()] == ["tokens.W014"]
    assert [key["usable"] for key in run("list")["keys"]] == [True, False]
    with pytest.raises(CommandError, match=f"the key {leaked.kid} was retired"):
        run("promote", "--now")
    (signing,) = SigningKey.objects.filter(state="signing")
    successor = retire_in_emergency(kid=signing.kid, reason="leaked").successor
    assert successor.kid != leaked.kid
    database_ring.forget()
    assert key_ring().current.kid == successor.kid


def test_retired_key_whose_row_is_gone_does_not_come_back_from_the_environment(rotate_to, run):
    (key,) = run("add", "--from-environment")["keys"]
    retire_in_emergency(kid=key["kid"], reason="leaked")
    SigningKey.objects.filter(kid=key["kid"]).delete()
    with pytest.raises(CommandError, match="set it to a new one"):
        run("add", "--from-environment")


def test_row_that_is_no_key_is_marked_in_the_list(rotate_to):
    rotate_to("ES256")
    out = StringIO()
    call_command("signing_keys", "list", stdout=out)
    assert "can't be used" not in out.getvalue()
    SigningKey.objects.update(algorithm="ES384")
    call_command("signing_keys", "list", stdout=out)
    assert "can't be used" in out.getvalue().splitlines()[-1]


def test_changed_row_of_a_retired_key_does_not_keep_the_secret_from_turning_over(
    rotate_to, settings
):
    rotate_to("ES256")
    gone = add_key(algorithm=ALGORITHMS["HS256"]).key
    retire_in_emergency(kid=gone.kid, reason="leaked")
    SigningKey.objects.filter(kid=gone.kid).update(retired_at="2001-01-01T00:00:00Z")
    settings.SIGNING_KEYS_SECRET, settings.SIGNING_KEYS_RETIRED_SECRETS = OTHER, [SECRET]
    assert encrypt_again() == 2
    assert not ignored(SigningKey.objects.get(state="signing").kid)
    assert ignored(gone.kid)


def test_wrong_secret_adds_no_key(rotate_to, settings):
    """The other hosts could not decrypt it."""
    rotate_to("ES256")
    settings.SIGNING_KEYS_SECRET = OTHER
    for add in (lambda: add_key(algorithm=ALGORITHMS["EdDSA"]), add_from_environment):
        with pytest.raises(KeyRefused, match="SIGNING_KEYS_SECRET is another one"):
            add()
    assert SigningKey.objects.count() == 1


def test_empty_secret_decrypts_nothing(rotate_to, settings):
    """A project may read a secret that is not set as an empty one."""
    key = rotate_to("ES256")
    material = reveal(key)
    settings.SIGNING_KEYS_SECRET = ""
    protect(key, material)
    settings.SIGNING_KEYS_SECRET, settings.SIGNING_KEYS_RETIRED_SECRETS = SECRET, [""]
    with pytest.raises(NotAuthentic):
        reveal(key)


def test_two_keys_can_not_sign_at_once(rotate_to):
    rotate_to("ES256")
    with pytest.raises(IntegrityError), transaction.atomic():
        SigningKey.objects.create(kid="x", algorithm="ES256", state="signing", protected=b"")


def test_secret_can_be_turned_over_without_a_failed_call(alice, rotate_to, settings):
    key = rotate_to("ES256")
    access = pair_of(alice).access
    settings.SIGNING_KEYS_SECRET, settings.SIGNING_KEYS_RETIRED_SECRETS = OTHER, [SECRET]
    assert failed(access) is None
    assert encrypt_again() == 1
    settings.SIGNING_KEYS_RETIRED_SECRETS = []
    assert failed(access) is None
    with pytest.raises(NotAuthentic):
        reveal(key)


def test_wrong_secret_encrypts_nothing_again(rotate_to, settings):
    key = rotate_to("ES256")
    settings.SIGNING_KEYS_SECRET = OTHER
    with pytest.raises(KeyRefused, match="can't be decrypted"):
        encrypt_again()
    settings.SIGNING_KEYS_SECRET = SECRET
    assert reveal(SigningKey.objects.get(pk=key.pk))
