"""Give schemathesis credentials for the portal.

schemathesis runs as a program of its own, and imports this file (SCHEMATHESIS_HOOKS).
"""

import os
from typing import Any

import requests
import schemathesis

WAIT = 30


@schemathesis.auth(refresh_interval=None)
class StaffToken:
    """Return a valid access token of a superuser.

    Some of the calls end its session; the next call then logs in again.
    """

    token = ""
    bodies = 0

    def get(self, case: Any, context: Any) -> str:
        url = os.environ["PORTAL_URL"]
        held = {"Authorization": f"Bearer {self.token}"}
        if requests.get(f"{url}/api/restricted", headers=held, timeout=WAIT).status_code != 200:
            who = {
                "username": os.environ["PORTAL_USERNAME"],
                "password": os.environ["PORTAL_PASSWORD"],
            }
            answer = requests.post(f"{url}/api/login", json=who, timeout=WAIT)
            StaffToken.token = answer.json()["access"]
        return self.token

    def set(self, case: Any, data: str, context: Any) -> None:
        """Send the token, or at a call that is for services alone a service's credential."""
        service = case.path.endswith("/revocations")
        credential = f"Basic {os.environ['PORTAL_SERVICE']}" if service else f"Bearer {data}"
        case.headers["Authorization"] = credential


@schemathesis.hook
def before_call(context: Any, case: Any, **kwargs: Any) -> None:
    """Put real credentials, or the current access token, into every third valid body.

    Generated values never match them, and are no cursor of a list: the empty one is of each.
    """
    body = case.body
    if case.meta is None or not case.meta.generation.mode.is_positive:
        return
    for name in {"cursor", "after"} & set(case.query or ()):
        case.query[name] = ""
    if not isinstance(body, dict):
        return
    StaffToken.bodies += 1
    if StaffToken.bodies % 3:
        return
    real = {
        "username": os.environ["PORTAL_USERNAME"],
        "password": os.environ["PORTAL_PASSWORD"],
        "token": StaffToken.token,
    }
    case.body = {name: real.get(name, value) for name, value in body.items()}
