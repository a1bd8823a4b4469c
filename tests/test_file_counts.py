"""The calls that every client waits for stay readable: each runs few of the product's files."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import pytest
from django.contrib.auth.models import User
from django.test import Client

from tests.support.tokens import pair_of
from tests.support.users import PASSWORD
from tokens.models import Session

pytestmark = pytest.mark.django_db


ROOT = Path(__file__).resolve().parents[1]
PRODUCT = (f"{ROOT}/tokens/", f"{ROOT}/portal/")


def files_run_by(act: Callable[[], object]) -> list[str]:
    """Run ``act`` and return the product's files of which a function was called."""
    found: set[str] = set()

    def note(frame: FrameType, event: str, argument: object) -> None:
        name = frame.f_code.co_filename
        if event == "call" and name.startswith(PRODUCT):
            found.add(name.removeprefix(f"{ROOT}/"))

    sys.setprofile(note)
    try:
        act()
    finally:
        sys.setprofile(None)
    # Each database has one more: the portal's own backend, and what decodes SQLite's texts.
    of_one_database = ("portal/postgres/", "tokens/models/readable.py")
    return sorted(name for name in found if not name.startswith(of_one_database))


def bearer_call(client: Client, access: str) -> None:
    response = client.get("/api/restricted", HTTP_AUTHORIZATION=f"Bearer {access}")
    assert response.status_code == 200


def refresh(client: Client, token: str) -> str:
    response = client.post(
        "/api/refresh", json.dumps({"refresh": token}), content_type="application/json"
    )
    assert response.status_code == 200
    return str(response.json()["refresh"])


def revoke_from_page(client: Client, session: Session) -> None:
    response = client.post(
        f"/staff/revoke/?session={session.pk}",
        {"reason": "lost device"},
        HTTP_HX_REQUEST="true",
    )
    assert response.status_code == 204
    session.refresh_from_db()
    assert session.revoked_at is not None


def test_warm_bearer_call_runs_at_most_ten_files(client: Client, alice: User) -> None:
    access = pair_of(alice).access
    bearer_call(client, access)
    files = files_run_by(lambda: bearer_call(client, access))
    assert len(files) <= 10, "\n".join(files)


def test_warm_refresh_runs_at_most_fifteen_files(client: Client, alice: User) -> None:
    token = refresh(client, pair_of(alice).refresh)
    files = files_run_by(lambda: refresh(client, token))
    assert len(files) <= 15, "\n".join(files)


def test_warm_revocation_from_the_staff_page_runs_at_most_fifteen_files(
    client: Client, alice: User, sam: User
) -> None:
    client.login(username="sam", password=PASSWORD)
    revoke_from_page(client, pair_of(alice).session)
    session = pair_of(alice).session
    files = files_run_by(lambda: revoke_from_page(client, session))
    assert len(files) <= 15, "\n".join(files)
