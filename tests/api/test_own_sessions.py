"""A user sees and ends their own sessions, and no others."""

import pytest

from tokens.models import Event


def bearer(pair):
    return {"HTTP_AUTHORIZATION": f"Bearer {pair['access']}"}


def ids(api, pair):
    rows = api.get("/api/sessions", **bearer(pair)).json()["results"]
    return {row["current"]: row["id"] for row in rows}


def test_list_of_own_sessions_marks_the_current_one(api, alice, bob, login):
    login(api, bob)
    login(api, alice)
    body = api.get("/api/sessions", **bearer(login(api, alice))).json()
    assert sorted(row["current"] for row in body["results"]) == [False, True]


def test_list_of_own_sessions_pages_by_cursor(api, alice, login):
    login(api, alice)
    pair = login(api, alice)
    first = api.get("/api/sessions?limit=1", **bearer(pair)).json()
    second = api.get("/api/sessions", {"limit": 1, "cursor": first["next"]}, **bearer(pair)).json()
    assert {len(first["results"]), len(second["results"])} == {1}
    assert first["results"] != second["results"]
    assert second["next"] is None


def test_user_ends_one_of_their_sessions(api, alice, login):
    other, pair = login(api, alice), login(api, alice)
    gone = ids(api, pair)[False]
    answer = api.delete(f"/api/sessions/{gone}", **bearer(pair))
    assert (answer.status_code, answer.json()["sessions"]) == (200, 1)
    assert api.get("/api/restricted", **bearer(other)).status_code == 401
    assert api.get("/api/restricted", **bearer(pair)).status_code == 200


def test_session_of_another_user_is_a_404_without_an_event(api, alice, bob, login):
    pair, other = login(api, alice), login(api, bob)
    theirs = ids(api, other)[True]
    before = Event.objects.count()
    assert api.delete(f"/api/sessions/{theirs}", **bearer(pair)).status_code == 404
    assert Event.objects.count() == before
    assert api.get("/api/restricted", **bearer(other)).status_code == 200


@pytest.mark.parametrize(("query", "mine"), [("", 401), ("?keep=current", 200)])
def test_user_ends_all_sessions_or_all_but_the_current_one(api, alice, login, query, mine):
    other, pair = login(api, alice), login(api, alice)
    assert api.delete(f"/api/sessions{query}", **bearer(pair)).status_code == 200
    assert api.get("/api/restricted", **bearer(other)).status_code == 401
    assert api.get("/api/restricted", **bearer(pair)).status_code == mine


def test_misspelled_keep_parameter_ends_nothing(api, alice, login):
    pair = login(api, alice)
    assert api.delete("/api/sessions?keep=this", **bearer(pair)).status_code == 400
    assert api.get("/api/restricted", **bearer(pair)).status_code == 200
