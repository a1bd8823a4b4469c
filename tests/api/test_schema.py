"""The API describes itself: every call, with examples and the errors that it really answers."""

import pytest
from django.contrib.auth.models import User
from jsonschema import Draft202012Validator
from rest_framework.test import APIClient

from tests.support.tokens import pair_of
from tests.support.users import PASSWORD, make_staff
from tokens.api import urls


@pytest.fixture
def document(api: APIClient, db: None) -> dict:
    answer = api.get("/api/schema")
    assert answer.status_code == 200
    return dict(answer.json())


def operations(document: dict) -> list[tuple[str, str, dict]]:
    return [
        (path, method, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        if method in {"get", "post", "delete"}
    ]


def test_document_is_openapi_3_1(document: dict) -> None:
    assert document["openapi"].startswith("3.1")


def test_document_describes_every_call(document: dict) -> None:
    calls = [pattern for pattern in urls.urlpatterns if pattern.name not in {"schema", "docs"}]
    assert len(document["paths"]) == len(calls)


def test_every_operation_has_examples_and_its_errors(document: dict) -> None:
    for path, method, operation in operations(document):
        answers = operation["responses"]
        assert {"200", "405", "503"} <= answers.keys(), (path, method)
        for status, answer in answers.items():
            for content in answer["content"].values():
                assert content.get("examples"), (path, method, status)
        if method == "post":
            assert {"400", "415", "413"} <= answers.keys(), (path, method)


def test_every_example_matches_its_schema(document: dict) -> None:
    seen = 0
    for path, method, operation in operations(document):
        bodies = [operation.get("requestBody", {}), *operation["responses"].values()]
        for content in (c for body in bodies for c in body.get("content", {}).values()):
            # The references in it are looked up in the document itself.
            schema = {**content["schema"], "components": document["components"]}
            for name, example in content.get("examples", {}).items():
                wrong = [error.message for error in checked(schema, example["value"])]
                assert wrong == [], (path, method, name)
                seen += 1
    assert seen > 100


def checked(schema: dict, value: object) -> list:
    checker = Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)
    return list(checker.iter_errors(value))


def test_document_says_which_calls_need_a_bearer_token(document: dict) -> None:
    secured = {p for p, _m, op in operations(document) if op.get("security") == [{"bearer": []}]}
    assert "/api/restricted" in secured
    assert "/api/login" not in secured
    assert document["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"


def test_document_describes_the_cursor_of_every_list(
    api: APIClient, document: dict, alice: User
) -> None:
    lists = [
        operation["parameters"]
        for _path, method, operation in operations(document)
        if method == "get" and any(p["name"] == "cursor" for p in operation.get("parameters", []))
    ]
    assert len(lists) == 5
    found = {p["description"]: p["schema"] for each in lists for p in each if p["name"] == "cursor"}
    ((said, schema),) = found.items()
    assert "same filters" in said
    assert "400" in said
    assert schema == {
        "type": "string",
        "format": "cursor",
        "maxLength": 300,
        "pattern": "^[A-Za-z0-9_-]*$",
    }
    pages = [s for n, s in document["components"]["schemas"].items() if n.endswith("Page")]
    for name in ("next", "previous"):
        described = {str(page["properties"][name]["format"]) for page in pages}
        assert described == {"cursor"}
    for _ in range(2):
        pair = pair_of(alice)
    bearer = {"HTTP_AUTHORIZATION": f"Bearer {pair.access}"}
    page = api.get("/api/sessions?limit=1", **bearer)
    assert_described(document, "/api/sessions", page)
    assert checked(schema, page.json()["next"]) == []


def test_docs_page_lists_every_call(api: APIClient, document: dict) -> None:
    page = api.get("/api/docs")
    assert page.status_code == 200
    for path, _method, _operation in operations(document):
        assert path in page.content.decode()


def assert_described(document: dict, path: str, response) -> None:
    """Check a response against the schema that the document gives for its path and status."""
    method = response.wsgi_request.method.lower()
    described = document["paths"][path][method]["responses"][str(response.status_code)]
    schema = described["content"]["application/json"]["schema"]
    wrong = checked({**schema, "components": document["components"]}, response.json())
    assert [error.message for error in wrong] == []
    name = schema.get("$ref", "").rpartition("/")[2]
    if properties := document["components"]["schemas"].get(name, {}).get("properties"):
        assert response.json().keys() == properties.keys()


def test_real_responses_of_the_token_calls_match_the_document(
    api: APIClient, document: dict, alice: User
) -> None:
    """The fast calls build their bodies by hand, without the serializers of the document."""
    good = {"username": "alice", "password": PASSWORD}
    login = api.post("/api/login", good, format="json")
    refresh = api.post("/api/refresh", {"refresh": login.json()["refresh"]}, format="json")
    pair = refresh.json()
    bearer = {"HTTP_AUTHORIZATION": f"Bearer {pair['access']}"}
    answers = {
        "/api/login": [login, api.post("/api/login", {**good, "password": "x"}, format="json")],
        "/api/refresh": [refresh, api.post("/api/refresh", {"refresh": "x"}, format="json")],
        "/api/restricted": [api.get("/api/restricted", **bearer), api.get("/api/restricted")],
        "/api/verify": [
            api.post("/api/verify", {"token": pair["access"]}, format="json"),
            api.post("/api/verify", {"token": "x"}, format="json"),
        ],
        "/api/revoke": [api.post("/api/revoke", {"token": "x"}, format="json")],
        "/api/logout": [api.post("/api/logout", {"refresh": pair["refresh"]}, format="json")],
    }
    for path, responses in answers.items():
        assert [r.status_code for r in responses] == [200, 401][: len(responses)], path
        for response in responses:
            assert_described(document, path, response)


def test_real_responses_of_introspection_match_the_document(
    api: APIClient, document: dict, alice: User
) -> None:
    bearer = {
        "HTTP_AUTHORIZATION": f"Bearer {pair_of(make_staff('service', 'introspect_token')).access}"
    }
    for token, active in ((pair_of(alice).refresh, True), ("x", False)):
        answer = api.post("/api/introspect", {"token": token}, format="json", **bearer)
        assert answer.json()["active"] is active
        assert_described(document, "/api/introspect", answer)
