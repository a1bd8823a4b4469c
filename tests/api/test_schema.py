"""The API describes itself: every call, with examples and the errors that it really answers."""

import pytest
from jsonschema import Draft202012Validator
from rest_framework.test import APIClient

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


def test_it_is_openapi_3_1(document: dict) -> None:
    assert document["openapi"].startswith("3.1")


def test_every_call_is_described(document: dict) -> None:
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


def test_every_example_is_of_its_schema(document: dict) -> None:
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


def test_a_bearer_call_says_so(document: dict) -> None:
    secured = {p for p, _m, op in operations(document) if op.get("security") == [{"bearer": []}]}
    assert "/api/restricted" in secured
    assert "/api/login" not in secured
    assert document["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"


def test_the_page_lists_every_call(api: APIClient, document: dict) -> None:
    page = api.get("/api/docs")
    assert page.status_code == 200
    for path, _method, _operation in operations(document):
        assert path in page.content.decode()
