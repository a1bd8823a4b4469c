"""The pages that `bench.pages` times: name, ours, and the stock admin's page for the same need.

Braces stand for what `bench.page_times` looks up: one ordinary session (`sid`), its current token
(`token`, `jti`), its user (`user`, `username`), a user with thousands of sessions (`heavy`,
`heavy_name`), and cursors that point into the middle of a list (`deep_…`), or the middle page.
"""

TOKENS = "/admin/token_blacklist/outstandingtoken/"
SPENT = "/admin/token_blacklist/blacklistedtoken/"
SESSIONS = "/admin/tokens/session/"
EVENTS = "/admin/tokens/event/"

PAGES: tuple[tuple[str, str, str], ...] = (
    ("admin: tokens, first page", TOKENS, TOKENS),
    ("admin: tokens, deep page", f"{TOKENS}?cursor={{deep_token}}", f"{TOKENS}?p={{middle}}"),
    ("admin: tokens, search jti", f"{TOKENS}?q={{jti}}", f"{TOKENS}?q={{jti}}"),
    ("admin: tokens, search user name", f"{TOKENS}?q={{username}}", f"{TOKENS}?q={{username}}"),
    ("admin: tokens, search heavy user", f"{TOKENS}?q={{heavy_name}}", ""),
    ("admin: tokens, search address", f"{TOKENS}?q={{ip}}", ""),
    ("admin: tokens, active", f"{TOKENS}?status=active", ""),
    ("admin: tokens, revoked", f"{TOKENS}?status=revoked", f"{SPENT}"),
    ("admin: tokens, rotated", f"{TOKENS}?status=rotated", ""),
    ("admin: tokens, expired", f"{TOKENS}?status=expired", ""),
    ("admin: tokens of a heavy user", f"{TOKENS}?user={{heavy}}", ""),
    ("admin: token", f"{TOKENS}{{token}}/change/", f"{TOKENS}{{token}}/change/"),
    ("admin: sessions, first page", SESSIONS, ""),
    ("admin: sessions, deep page", f"{SESSIONS}?cursor={{deep_session}}", ""),
    ("admin: sessions, active", f"{SESSIONS}?status=active", ""),
    ("admin: sessions, revoked", f"{SESSIONS}?status=revoked", ""),
    ("admin: sessions, expired", f"{SESSIONS}?status=expired", ""),
    ("admin: sessions, search user name", f"{SESSIONS}?q={{username}}", ""),
    ("admin: session", f"{SESSIONS}{{sid}}/change/", ""),
    ("admin: events, first page", EVENTS, ""),
    ("admin: events, deep page", f"{EVENTS}?cursor={{deep_event}}", ""),
    ("admin: events, one kind", f"{EVENTS}?kind=revoke_session", ""),
    ("admin: user", "/admin/auth/user/{user}/change/", "/admin/auth/user/{user}/change/"),
    ("admin: heavy user", "/admin/auth/user/{heavy}/change/", ""),
    ("staff: overview", "/staff/", ""),
    ("staff: tokens", "/staff/tokens/", ""),
    ("staff: tokens, deep page", "/staff/tokens/?page={deep_token}", ""),
    ("staff: tokens, search jti", "/staff/tokens/?q={jti}", ""),
    ("staff: tokens, search user name", "/staff/tokens/?q={username}", ""),
    ("staff: tokens, active", "/staff/tokens/?status=active", ""),
    ("staff: tokens, revoked", "/staff/tokens/?status=revoked", ""),
    ("staff: token", "/staff/tokens/{jti}/", ""),
    ("staff: sessions", "/staff/sessions/", ""),
    ("staff: sessions, deep page", "/staff/sessions/?page={deep_session}", ""),
    ("staff: sessions, active", "/staff/sessions/?status=active", ""),
    ("staff: session", "/staff/sessions/{sid}/", ""),
    ("staff: users", "/staff/users/", ""),
    ("staff: heavy user", "/staff/users/{heavy}/", ""),
    ("staff: events", "/staff/events/", ""),
    ("staff: events, deep page", "/staff/events/?page={deep_event}", ""),
    ("staff: events, one kind", "/staff/events/?kind=revoke_session", ""),
)
