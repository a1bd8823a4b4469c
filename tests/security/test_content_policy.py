"""Every page forbids what it does not need.

This includes the admin: no inline scripts or styles, no eval, and no frame around the page.
"""

import pytest

from tests.security.test_access import TABLE, Caller, Row
from tests.support.routes import Things


@pytest.mark.parametrize("role", ["anonymous", "superuser"])
def test_every_page_carries_the_policy(role, db, bob, sam):
    caller = Caller(role, Things(bob=bob, sam=sam))
    wrong = []
    for row in (*TABLE, Row("/nothing-here/", "GET", {})):
        answer = caller.call(row)
        if not answer.headers.get("Content-Type", "").startswith("text/html"):
            continue
        policy = answer.headers.get("Content-Security-Policy", "")
        kept = "frame-ancestors 'none'" in policy and "default-src" in policy
        if not kept or "unsafe" in policy or answer.headers.get("X-Frame-Options") != "DENY":
            wrong.append(f"{row.method} {row.address}: {policy}")
    assert not wrong, "\n".join(wrong)
