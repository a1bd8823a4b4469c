"""Test which requests skip the middleware that only pages need."""

import pytest
from django.test import Client
from django.urls import ResolverMatch, resolve

from tokens.web.middleware import skips_page_middleware

POLICY = "Content-Security-Policy"
URLCONF = "portal.urls"


@pytest.mark.parametrize(
    "path",
    ["/api/restricted", "/api/login", "/api/staff/events", "/.well-known/jwks.json", "/readyz"],
)
def test_api_call_skips_the_middleware_of_pages(path: str) -> None:
    assert skips_page_middleware(path, URLCONF)


@pytest.mark.parametrize(
    "path", ["/api/docs", "/api/schema", "/staff/login/", "/api/unknown", "/api/"]
)
def test_page_or_unknown_path_goes_through_all_middleware(path: str) -> None:
    assert not skips_page_middleware(path, URLCONF)


@pytest.mark.django_db
def test_path_is_resolved_once_for_all_marks(client: Client, monkeypatch) -> None:
    asked = []

    def counted(*given: str) -> ResolverMatch:
        asked.append(given)
        return resolve(*given)

    monkeypatch.setattr("tokens.web.middleware.resolve", counted)
    assert client.get("/api/staff/tokens/never-asked-before").status_code == 401
    assert len(asked) == 1


@pytest.mark.django_db
def test_api_response_has_a_length_and_no_content_policy(client: Client) -> None:
    response = client.get("/api/restricted")
    assert response.status_code == 401
    assert response.headers["Content-Length"] == str(len(response.content))
    assert POLICY not in response.headers


@pytest.mark.django_db
def test_api_docs_page_has_a_content_policy(client: Client) -> None:
    assert POLICY in client.get("/api/docs").headers


@pytest.mark.django_db
def test_unknown_api_path_answers_404_in_english_json(client: Client) -> None:
    response = client.get("/api/unknown", headers={"Accept-Language": "de"})
    assert response.status_code == 404
    assert response.json() == {"detail": "Not found."}
