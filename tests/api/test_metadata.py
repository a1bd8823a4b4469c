"""The metadata of the authorization server names calls that work (RFC 8414)."""

import pytest
from rest_framework_simplejwt.settings import api_settings

from tests.services.test_credentials import basic
from tokens.services import add_service

ADDRESS = "/.well-known/oauth-authorization-server"
ISSUER = "https://portal.example"

pytestmark = pytest.mark.django_db


@pytest.fixture
def issuer(monkeypatch):
    monkeypatch.setattr(api_settings, "ISSUER", ISSUER)


def test_metadata_names_the_issuer_and_the_calls_for_services(api, issuer):
    answer = api.get(ADDRESS)
    assert answer.json() == {
        "issuer": ISSUER,
        "jwks_uri": "http://testserver/.well-known/jwks.json",
        "introspection_endpoint": "http://testserver/api/introspect",
        "introspection_endpoint_auth_methods_supported": ["client_secret_basic"],
        "revocation_endpoint": "http://testserver/api/revoke",
        "revocation_endpoint_auth_methods_supported": ["none"],
        "grant_types_supported": [],
        "response_types_supported": [],
    }
    assert answer.headers["Cache-Control"] == "public, max-age=300"


def test_calls_of_the_metadata_answer_with_the_methods_that_it_names(api, issuer):
    known = api.get(ADDRESS).json()
    made = add_service(name="billing", may_introspect=True, may_read_feed=False)
    form = {"content_type": "application/x-www-form-urlencoded"}
    header = basic("billing", made.secret)
    assert "keys" in api.get(known["jwks_uri"]).json()
    asked = api.post(known["introspection_endpoint"], "token=x", **form, **header)
    assert asked.json() == {"active": False}
    assert api.post(known["revocation_endpoint"], "token=x", **form).status_code == 200


def test_portal_without_an_issuer_has_no_metadata(api):
    answer = api.get(ADDRESS)
    assert (answer.status_code, answer.json()) == (404, {"detail": "No issuer is configured."})


@pytest.mark.urls("tests.support.host_urls")
def test_metadata_has_the_addresses_of_the_project(api, issuer):
    known = api.get(f"/tokens{ADDRESS}").json()
    assert known["introspection_endpoint"] == "http://testserver/tokens/api/introspect"
