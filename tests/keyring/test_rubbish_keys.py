"""A role with rights on rows adds keys with rubbish: no key is lost, and no page fails."""

import io

import pytest
from django.core.management import call_command

from tests.support.rubbish import spoil
from tests.support.tokens import failed, pair_of
from tokens.keyring.following import database_ring
from tokens.models import SigningKey
from tokens.models.signing_key import KeyState


@pytest.mark.parametrize("state", [KeyState.VERIFYING, KeyState.RETIRED, KeyState.UPCOMING])
def test_rubbish_keys_stop_no_process_and_no_page(client, sam, alice, rotate_to, state):
    row = rotate_to("ES256")
    pair = pair_of(alice)
    row.pk, row.kid, row.state = None, "rubbish", state
    row.signing_at = row.verifying_at = row.retired_at = row.added_at
    assert spoil(row)
    database_ring.forget()
    assert failed(pair.access) is None
    assert failed(pair_of(alice).access) is None
    client.force_login(sam)
    for path in ("/staff/keys/", "/staff/", "/admin/tokens/signingkey/", "/.well-known/jwks.json"):
        assert client.get(path).status_code == 200, path
    for key in SigningKey.objects.only("pk"):
        path = f"/admin/tokens/signingkey/{key.pk}/change/"
        assert client.get(path).status_code == 200, path
    call_command("signing_keys", "list", stdout=io.StringIO())
    call_command("signing_keys", "list", "--json", stdout=io.StringIO())
    call_command("purge_tokens", stdout=io.StringIO())
    call_command("check", stdout=io.StringIO(), stderr=io.StringIO())
