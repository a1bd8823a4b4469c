"""List each act with each face that has it."""

from tests.audit.events import seal
from tests.audit.faces import (
    WHY,
    Act,
    add_app,
    add_billing,
    api_login,
    as_staff,
    change_factor,
    change_form,
    cut_off_many,
    cut_off_page,
    decide,
    env_file,
    expire_proposal,
    expired,
    exported,
    in_ring,
    inspected,
    locked,
    log_in_with_code,
    login,
    new_password,
    not_me,
    one_failure,
    own_password,
    propose_all,
    purge_trail,
    refresh,
    refresh_legacy,
    retire_upcoming,
    reuse,
    rotate_key,
    typed_password,
    with_factor,
    with_legacy_token,
    with_proposal,
    with_two_sessions,
)
from tests.support.users import PASSWORD
from tokens.models import Kind, SavedView, Service

TOKENS = "token_blacklist/outstandingtoken"
ENDED, CUT = ("sessions", "targets"), ("not_before", "everybody", "targets")
BY_FILTER = ("sessions", "users", "sample", "filter", "targets")
BROWSER, OWNER = ("what",), "ended by its owner"

COMING_AND_GOING = [
    Act(Kind.LOGIN, "api", api_login(PASSWORD), actor="alice", about="new"),
    *(
        Act(Kind.LOGIN, face, login("api", path, PASSWORD), actor="alice", data=BROWSER,
            first=as_staff)
        for face, path in (("staff", "/staff/login/"), ("account", "/account/login/"),
                           ("admin", "/admin/login/"))
    ),
    Act(Kind.LOGIN_REFUSED, "api", api_login("wrong"), reason="wrong password"),
    *(
        Act(Kind.LOGIN_REFUSED, face, login("api", path, "wrong"), reason="wrong password")
        for face, path in (("staff", "/staff/login/"), ("account", "/account/login/"),
                           ("admin", "/admin/login/"))
    ),
    Act(Kind.LOGIN_LOCKED, "api", api_login("wrong"), first=one_failure, subject="alice",
        reason="too many attempts", data=("by",)),
    *(
        Act(Kind.LOGIN_LOCKED, face, login("api", path, "wrong"), first=one_failure,
            subject="alice", reason="too many attempts", data=("by",))
        for face, path in (("staff", "/staff/login/"), ("account", "/account/login/"),
                           ("admin", "/admin/login/"))
    ),
    Act(Kind.LOGIN_UNLOCKED, "command",
        lambda w: w.command("unlock_login", "alice", reason=WHY),
        first=locked, subject="alice?", reason=WHY, request=False),
    Act(Kind.REFRESH, "api", refresh, actor="alice", about="s", data=("presented",)),
    Act(Kind.LEGACY_ADOPTED, "api", refresh_legacy, first=with_legacy_token, actor="alice",
        about="new", data=("issued",), also=Kind.REFRESH),
    Act(Kind.REFRESH_RETRY, "api", refresh, first=refresh, actor="alice", about="s",
        data=("presented",)),
    Act(Kind.REUSE, "api", reuse, first=refresh, about="st",
        reason="a used-up refresh token was presented again"),
    Act(Kind.LOGOUT, "api", lambda w: w.post("logout", {"refresh": w.pair.refresh}),
        actor="alice", about="st", reason="logged out"),
    Act(Kind.LOGOUT, "api, RFC 7009", lambda w: w.post("revoke", {"token": w.pair.refresh}),
        actor="alice", about="st", reason="revoked by its holder"),
    *(
        Act(Kind.LOGOUT, face, lambda w, path=path: w.own.post(path), actor="alice", data=BROWSER)
        for face, path in (("staff", "/staff/logout/"), ("account", "/account/logout/"))
    ),
    Act(Kind.LOGOUT, "admin", lambda w: w.staff.post("/admin/logout/"), actor="sam",
        subject="sam", data=BROWSER),
]  # fmt: skip
BY_STAFF = {"actor": "sam", "reason": WHY}
REVOKING = [
    Act(Kind.REVOKE_TOKEN, "api", lambda w: w.post(
        f"staff/tokens/{w.jti}/revoke", {"reason": WHY}, **w.bearer), about="st", **BY_STAFF),
    Act(Kind.REVOKE_TOKEN, "staff", lambda w: w.review(f"token={w.jti}"), about="st", **BY_STAFF),
    Act(Kind.REVOKE_TOKEN, "admin", lambda w: w.admin(f"{TOKENS}/{w.token}/revoke/"),
        about="st", **BY_STAFF),
    Act(Kind.REVOKE_SESSION, "api", lambda w: w.post(
        f"staff/sessions/{w.sid}/revoke", {"reason": WHY}, **w.bearer), about="s", **BY_STAFF),
    Act(Kind.REVOKE_SESSION, "staff", lambda w: w.review(f"session={w.sid}"), about="s",
        **BY_STAFF),
    Act(Kind.REVOKE_SESSION, "admin", lambda w: w.admin(f"tokens/session/{w.sid}/revoke/"),
        about="s", **BY_STAFF),
    Act(Kind.REVOKE_SESSION, "account", lambda w: w.own.post(f"/account/sessions/{w.sid}/end/"),
        actor="alice", about="s", reason=OWNER),
    Act(Kind.REVOKE_SESSION, "api, own", lambda w: w.api.delete(
        f"/api/sessions/{w.sid}", **w.own_bearer), actor="alice", about="s", reason=OWNER),
    Act(Kind.REVOKE_USER, "api", lambda w: w.post(
        f"staff/users/{w.alice.pk}/revoke", {"reason": WHY}, **w.bearer), data=ENDED,
        **BY_STAFF),
    Act(Kind.REVOKE_USER, "staff", lambda w: w.review(f"user={w.alice.pk}"), data=ENDED,
        **BY_STAFF),
    Act(Kind.REVOKE_USER, "admin", lambda w: w.admin(f"auth/user/{w.alice.pk}/revoke/"),
        data=ENDED, **BY_STAFF),
    Act(Kind.REVOKE_USER, "admin, list", lambda w: w.admin("auth/user/", {
        "action": "revoke_all_tokens", "_selected_action": str(w.alice.pk), "reason": WHY,
        "confirm": "1"}), data=ENDED, **BY_STAFF),
    Act(Kind.REVOKE_USER, "account", lambda w: w.own.post("/account/sessions/end/"),
        actor="alice", reason=OWNER, data=ENDED),
    Act(Kind.REVOKE_USER, "api, own", lambda w: w.api.delete("/api/sessions", **w.own_bearer),
        actor="alice", reason=OWNER, data=ENDED),
    Act(Kind.REVOKE_MATCHING, "staff", lambda w: w.review(
        "matching=1&issued_after=2020-01-01T00:00"), subject="", count=2,
        data=BY_FILTER, **BY_STAFF),
    Act(Kind.REVOKE_MATCHING, "admin", lambda w: w.admin(f"{TOKENS}/", {
        "action": "revoke_selected", "_selected_action": str(w.token), "reason": WHY,
        "confirm": "1"}), subject="", data=BY_FILTER, **BY_STAFF),
    Act(Kind.REVOKE_MATCHING, "admin, filters", lambda w: w.admin(
        f"{TOKENS}/revoke-matching/?user=alice"), subject="",
        data=BY_FILTER, **BY_STAFF),
    Act(Kind.REVOKE_MATCHING, "command", lambda w: w.command(
        "revoke_tokens", user=["alice"], reason=WHY), subject="", reason=WHY,
        data=BY_FILTER, also=Kind.REVOKE_BROWSERS, request=False),
    Act(Kind.REVOKE_BROWSERS, "command", lambda w: w.command(
        "revoke_tokens", user=["alice"], reason=WHY),
        first=lambda w: w.post("logout", {"refresh": w.pair.refresh}), reason=WHY, count=0,
        request=False),
    Act(Kind.REVOKE_BROWSERS, "staff", lambda w: w.staff.post(
        f"/staff/users/{w.alice.pk}/browsers/{w.browser}/revoke/", {"reason": WHY}), count=0,
        data=("browser",), **BY_STAFF),
    Act(Kind.REVOKE_BROWSERS, "account", lambda w: w.own.post(
        f"/account/sessions/{w.browser}/end/"), actor="alice", count=0, data=("browser",),
        reason=OWNER),
    Act(Kind.CUTOFF, "staff", cut_off_page, subject="", count=2,
        data=CUT, **BY_STAFF),
    Act(Kind.CUTOFF, "admin", lambda w: w.admin("tokens/cutoff/add/", {
        "reason": WHY, "typed": "everyone"}), subject="", count=2,
        data=CUT, **BY_STAFF),
    Act(Kind.CUTOFF, "command", lambda w: w.command(
        "revoke_tokens", everybody=True, reason=WHY), subject="", reason=WHY, count=2,
        data=CUT, request=False),
    Act(Kind.CUTOFF_SETTLED, "command", cut_off_many, subject="", reason=WHY, count=2,
        data=("cutoff", "targets"), also=Kind.CUTOFF, request=False),
]  # fmt: skip
ACCOUNTS = [
    Act(Kind.PASSWORD_CHANGED, "admin", new_password, actor="sam", reason="password changed",
        data=ENDED),
    Act(Kind.PASSWORD_CHANGED, "account", own_password, actor="alice",
        reason="password changed", data=ENDED),
    Act(Kind.PASSWORD_CHANGED, "command", typed_password, reason="password changed",
        data=ENDED, request=False),
    Act(Kind.NOT_ME, "account", not_me, reason="reported by its owner", data=ENDED),
    Act(Kind.USER_DEACTIVATED, "admin", lambda w: change_form(w, is_active=None), actor="sam",
        reason="user deactivated", data=ENDED),
    Act(Kind.USER_DELETED, "admin", lambda w: w.admin(
        f"auth/user/{w.alice.pk}/delete/", {"post": "yes"}), actor="sam", reason="user deleted",
        data=ENDED),
]  # fmt: skip
OF_FACTOR = ("factor", "name")
FACTORS = [
    Act(Kind.FACTOR_ADDED, "account", add_app, actor="alice", data=OF_FACTOR,
        also=Kind.RECOVERY_CODES),
    Act(Kind.RECOVERY_CODES, "account", change_factor("/account/factors/codes/"),
        first=with_factor, actor="alice", count=10),
    Act(Kind.FACTOR_REMOVED, "account", change_factor("/account/factors/{}/remove/"),
        first=with_factor, actor="alice", data=OF_FACTOR),
    Act(Kind.RECOVERY_CODE_USED, "api", log_in_with_code, first=with_factor, actor="alice",
        also=Kind.LOGIN),
    Act(Kind.FACTORS_RESET, "staff", lambda w: w.staff.post(
        f"/staff/users/{w.alice.pk}/reset-factors/", {"reason": WHY}), first=with_factor,
        **BY_STAFF),
    Act(Kind.FACTORS_RESET, "command", lambda w: w.command(
        "reset_factors", "alice", reason=WHY), first=with_factor, reason=WHY, request=False),
]  # fmt: skip
PROPOSAL = ("filter", "job", "proposal")
PROPOSED = {"subject": "", "reason": WHY, "data": PROPOSAL}
PROPOSALS = [
    Act(Kind.PROPOSED, "staff", propose_all, first=with_two_sessions, actor="sam", count=2,
        **PROPOSED),
    Act(Kind.PROPOSAL_APPROVED, "staff", decide("mallory", "approve"), first=with_proposal,
        actor="boss", also=Kind.REVOKE_MATCHING,
        **PROPOSED),
    Act(Kind.PROPOSAL_REFUSED, "staff", decide("mallory", "refuse"), first=with_proposal,
        actor="boss", **PROPOSED),
    Act(Kind.PROPOSAL_WITHDRAWN, "staff", decide("staff", "withdraw"), first=with_proposal,
        actor="sam", **PROPOSED),
    Act(Kind.PROPOSAL_EXPIRED, "command", expire_proposal, first=with_proposal, request=False,
        also=Kind.PURGED, **PROPOSED),
]  # fmt: skip
READING = [
    Act(Kind.CLAIMS_VIEWED, "api, token", lambda w: w.api.get(
        f"/api/staff/tokens/{w.jti}", **w.bearer), actor="sam", about="st"),
    Act(Kind.CLAIMS_VIEWED, "api, session", lambda w: w.api.get(
        f"/api/staff/sessions/{w.sid}", **w.bearer), actor="sam", about="s"),
    Act(Kind.CLAIMS_VIEWED, "api, user", lambda w: w.api.get(
        f"/api/staff/users/{w.alice.pk}", **w.bearer), actor="sam"),
    Act(Kind.CLAIMS_VIEWED, "staff, token", lambda w: w.staff.get(f"/staff/tokens/{w.jti}/"),
        actor="sam", about="st"),
    Act(Kind.CLAIMS_VIEWED, "staff, session", lambda w: w.staff.get(f"/staff/sessions/{w.sid}/"),
        actor="sam", about="s"),
    Act(Kind.CLAIMS_VIEWED, "staff, user", lambda w: w.staff.get(f"/staff/users/{w.alice.pk}/"),
        actor="sam"),
    Act(Kind.CLAIMS_VIEWED, "admin, token", lambda w: w.staff.get(
        f"/admin/{TOKENS}/{w.token}/change/"), actor="sam", about="st"),
    Act(Kind.CLAIMS_VIEWED, "admin, session", lambda w: w.staff.get(
        f"/admin/tokens/session/{w.sid}/change/"), actor="sam", about="s"),
    Act(Kind.LOOKS_FINE, "staff", lambda w: w.staff.post(
        "/staff/looks-fine/", {"rule": "moved", "key": w.sid}), actor="sam", about="s",
        data=("key", "rule")),
    Act(Kind.VIEW_SAVED, "staff", lambda w: w.staff.post(
        "/staff/views/new/?list=sessions&status=active", {"name": "live"}), actor="sam", subject="",
        data=("filters", "list", "name", "shared")),
    Act(Kind.VIEW_DELETED, "staff", lambda w: w.staff.post(
        f"/staff/views/{SavedView.objects.get().pk}/delete/"), first=lambda w: w.staff.post(
        "/staff/views/new/?list=sessions&status=active", {"name": "live"}), actor="sam", subject="",
        data=("filters", "list", "name", "shared")),
    Act(Kind.TOKEN_INSPECTED, "staff", lambda w: w.staff.post(
        "/staff/inspect/", {"token": w.pair.access}), actor="sam", about="sa", data=("outcome",)),
    Act(Kind.TOKEN_INSPECTED, "command", inspected, about="sa", data=("outcome",), request=False),
    Act(Kind.INTROSPECTION_REFUSED, "api", lambda w: w.post(
        "introspect", {"token": w.pair.access}, **w.own_bearer), actor="alice", subject="",
        data=("path", "wanted")),
    Act(Kind.PERMISSION_DENIED, "api", lambda w: w.api.get(
        "/api/staff/events", **w.own_bearer), actor="alice", subject="", data=("path", "wanted")),
    Act(Kind.PERMISSION_DENIED, "staff", lambda w: w.mallory.get("/staff/events/"),
        actor="mallory", subject="", data=("path", "wanted")),
    Act(Kind.PERMISSION_DENIED, "admin", lambda w: w.mallory.get("/admin/tokens/event/"),
        actor="mallory", subject="", data=("path", "wanted")),
    Act(Kind.EXPORTED, "api", lambda w: w.api.get(
        "/api/staff/events/export?format=csv", **w.bearer), actor="sam", subject="", count=2,
        data=("format", "filters")),
    Act(Kind.EXPORTED, "staff", lambda w: w.staff.post("/staff/events/export", {"format": "csv"}),
        actor="sam", subject="", count=2, data=("format", "filters")),
    Act(Kind.EXPORTED, "command", exported, subject="", count=2, data=("format", "filters"),
        request=False),
]  # fmt: skip
OF_KEY = ("kid", "alg", "ring")
KEEPING = [
    Act(Kind.PURGED, "command, tokens", lambda w: w.command("purge_tokens", reason=WHY),
        first=expired, subject="", reason=WHY, data=("what",), request=False),
    Act(Kind.PURGED, "command, trail", purge_trail, first=lambda w: seal(), subject="", count=2,
        reason=WHY, data=("what", "seals", "seal"), request=False),
    Act(Kind.KEY_ADDED, "command", rotate_key, first=env_file, subject="", data=("kid", "alg"),
        also=Kind.KEY_RETIRED, request=False),
    Act(Kind.KEY_ADDED, "command, ring", in_ring("add --alg ES256"),
        first=in_ring("add --alg HS256"), subject="", data=(*OF_KEY, "state"), request=False),
    Act(Kind.KEY_PROMOTED, "command, ring", in_ring("promote --now"),
        first=in_ring("add --alg HS256", "add --alg ES256"), subject="",
        data=(*OF_KEY, "before"), request=False),
    Act(Kind.KEY_RETIRED, "command, ring", retire_upcoming, first=in_ring("add --alg HS256",
        "add --alg ES256"), subject="", data=(*OF_KEY, "emergency"), request=False),
    Act(Kind.KEY_RETIRED, "command", rotate_key, first=env_file, subject="", data=("kid", "alg"),
        also=Kind.KEY_ADDED, request=False),
]  # fmt: skip
OF_SERVICE = ("service", "introspect", "feed")
SERVICES = [
    Act(Kind.SERVICE_ADDED, "command", add_billing, subject="", data=OF_SERVICE, request=False),
    Act(Kind.SERVICE_ROTATED, "command", lambda w: w.command("services", "rotate", "billing"),
        first=add_billing, subject="", data=OF_SERVICE, request=False),
    Act(Kind.SERVICE_REMOVED, "command", lambda w: w.command("services", "remove", "billing"),
        first=add_billing, subject="", data=OF_SERVICE, request=False),
    Act(Kind.SERVICE_ADDED, "staff", lambda w: w.staff.post(
        "/staff/services/add/", {"name": "billing", "may_read_feed": "on"}), actor="sam",
        subject="", data=OF_SERVICE),
    Act(Kind.SERVICE_ROTATED, "staff", lambda w: w.staff.post(
        f"/staff/services/{Service.objects.get().pk}/rotate/"), first=add_billing, actor="sam",
        subject="", data=OF_SERVICE),
    Act(Kind.SERVICE_REMOVED, "staff", lambda w: w.staff.post(
        f"/staff/services/{Service.objects.get().pk}/remove/"), first=add_billing, actor="sam",
        subject="", data=OF_SERVICE),
    Act(Kind.SERVICE_REFUSED, "api", lambda w: w.post(
        "introspect", {"token": "x"}, HTTP_AUTHORIZATION="Basic YmlsbGluZzp4"),
        first=add_billing, subject="", reason="wrong secret", data=("service",)),
]  # fmt: skip
ACTS = [*COMING_AND_GOING, *REVOKING, *ACCOUNTS, *FACTORS, *PROPOSALS, *READING, *KEEPING,
        *SERVICES]  # fmt: skip
