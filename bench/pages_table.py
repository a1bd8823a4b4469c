"""List the pages that `bench.pages` times: name, the portal's page, and the stock admin's page.

`bench.page_names` replaces the placeholders in braces: an ordinary session (`sid`), its current
token (`token`, `jti`), its user (`user`, `username`), a user with thousands of sessions (`heavy`,
`heavy_name`), an address that many sessions share (`office`), and cursors that point into the
middle of a list (`deep_…`), or the middle page.
"""

from collections.abc import Iterator

Row = tuple[str, str, str]

TOKENS = "/admin/token_blacklist/outstandingtoken/"
SPENT = "/admin/token_blacklist/blacklistedtoken/"
SESSIONS = "/admin/tokens/session/"
EVENTS = "/admin/tokens/event/"
CUTOFFS = "/admin/tokens/cutoff/"
USERS = "/admin/auth/user/"

SEARCHES = {
    "jti": "q={jti}",
    "start of a jti": "q={jti_start}",
    "sid": "q={sid}",
    "user name": "q={username}",
    "start of a user name": "q={name_start}",
    "e-mail": "q={email}",
    "heavy user": "q={heavy_name}",
    "address": "q={ip}",
    "an office's address": "q={office}",
    "nothing there": "q=nobody-is-called-this",
}
# Filters that the admin and the staff pages share.
SAID = {
    "address": "ip={ip}",
    "an office's address": "ip={office}",
    "device": "device=Firefox",
    "rare device": "device=curl",
    "no such device": "device=Symbian",
    "client": "client=mobile+app",
}
STATUSES = {name: f"status={name}" for name in ("active", "revoked", "rotated", "expired")}
PAST = ("1h", "24h", "yesterday", "7d", "30d")
ISSUED = {f"issued: {span}": f"issued_within={span}" for span in PAST}
USED = {f"used: {span}": f"used_within={span}" for span in PAST}
WHEN = {f"when: {span}": f"within={span}" for span in PAST}
EXPIRES = {f"expires: {span}": f"expires_within={span}" for span in ("1h", "24h", "7d", "30d")}
RANGES = {
    "issued from": "issued_after={yesterday}",
    "issued until": "issued_before={last_week}",
    "issued between": "issued_after={last_week}&issued_before={yesterday}",
}
TOGETHER = {
    "heavy user, active": "user={heavy_or_name}&status=active",
    "heavy user, revoked": "user={heavy_or_name}&status=revoked",
    "heavy user, rare device": "user={heavy_or_name}&device=curl",
    "an office's address, revoked": "ip={office}&status=revoked",
    "an office's address, rotated": "ip={office}&status=rotated",
    "rare device, active": "device=curl&status=active",
}
KINDS = {"common kind": "kind=refresh", "rare kind": "kind=reuse", "no such kind": "kind=purged"}


def pages() -> Iterator[Row]:
    yield from _admin_lists()
    yield from _admin_objects()
    yield from _staff()


def _admin_lists() -> Iterator[Row]:
    stock = {"jti": f"{TOKENS}?q={{jti}}", "user name": f"{TOKENS}?q={{username}}"}
    yield "admin: tokens", TOKENS, TOKENS
    yield "admin: tokens, deep page", f"{TOKENS}?cursor={{deep_token}}", f"{TOKENS}?p={{middle}}"
    for name, query in SEARCHES.items():
        yield f"admin: tokens, search {name}", f"{TOKENS}?{query}", stock.get(name, "")
    spent = {"revoked": SPENT}
    offered = STATUSES | ISSUED | EXPIRES | {"heavy user": "user={heavy_name}"} | SAID | TOGETHER
    for name, query in offered.items():
        yield f"admin: tokens, {name}", f"{TOKENS}?{_by_name(query)}", spent.get(name, "")
    yield "admin: sessions", SESSIONS, ""
    yield "admin: sessions, deep page", f"{SESSIONS}?cursor={{deep_session}}", ""
    offered = {f"search {name}": query for name, query in SEARCHES.items()}
    offered |= STATUSES | ISSUED | USED | EXPIRES | {"heavy user": "user={heavy_name}"}
    offered |= SAID | TOGETHER
    for name, query in offered.items():
        if "rotated" not in query:
            yield f"admin: sessions, {name}", f"{SESSIONS}?{_by_name(query)}", ""
    yield "admin: events", EVENTS, ""
    yield "admin: events, deep page", f"{EVENTS}?cursor={{deep_event}}", ""
    offered = {f"search {name}": query for name, query in SEARCHES.items() if "start" not in name}
    offered |= WHEN | KINDS | {"heavy user": "user={heavy_name}", "address": "ip={ip}"}
    offered |= {"heavy user, rare kind": "user={heavy_name}&kind=reuse"}
    offered |= {"an office's address, revocations": "ip={office}&kind=revoke_session"}
    for name, query in offered.items():
        yield f"admin: events, {name}", f"{EVENTS}?{query}", ""
    yield "admin: cut-offs", CUTOFFS, ""
    yield "admin: cut-offs of a user", f"{CUTOFFS}?user={{heavy_name}}", ""
    yield "admin: users", USERS, USERS
    yield "admin: users, deep page", f"{USERS}?cursor={{deep_name}}", f"{USERS}?p={{middle_user}}"
    yield "admin: users, search", f"{USERS}?q={{username}}", f"{USERS}?q={{username}}"
    yield (
        "admin: users, completing a name",
        "/admin/autocomplete/?app_label=tokens&model_name=session&field_name=user&term=user1",
        "",
    )


def _by_name(query: str) -> str:
    return query.replace("{heavy_or_name}", "{heavy_name}")


def _admin_objects() -> Iterator[Row]:
    yield "admin: token", f"{TOKENS}{{token}}/change/", f"{TOKENS}{{token}}/change/"
    yield "admin: session", f"{SESSIONS}{{sid}}/change/", ""
    yield "admin: event", f"{EVENTS}{{event}}/change/", ""
    yield "admin: user", f"{USERS}{{user}}/change/", f"{USERS}{{user}}/change/"
    yield "admin: heavy user", f"{USERS}{{heavy}}/change/", f"{USERS}{{heavy}}/change/"


def reviews() -> Iterator[Row]:
    """Yield the reviews before a revocation, which count the sessions that would end."""
    yield "admin: review of a token", f"{TOKENS}{{token}}/revoke/", ""
    yield "admin: review of a session", f"{SESSIONS}{{sid}}/revoke/", ""
    yield "admin: review of a heavy user", f"{USERS}{{heavy}}/revoke/", ""
    yield "admin: review of an office", f"{SESSIONS}revoke-matching/?ip={{office}}", ""
    yield "admin: review of a device", f"{SESSIONS}revoke-matching/?device=Firefox", ""
    yield "admin: review of a rare device", f"{TOKENS}revoke-matching/?device=curl", ""
    yield "admin: review of everybody", f"{CUTOFFS}add/", ""
    yield "staff: review of everybody", "/staff/revoke/?everybody=1&before={now}", ""
    yield "staff: review of a device", "/staff/revoke/?matching=1&device=Firefox", ""
    yield "staff: review of an office", "/staff/revoke/?matching=1&ip={office}", ""
    yield "staff: review of a heavy user", "/staff/revoke/?user={heavy}", ""


def _staff() -> Iterator[Row]:
    yield "staff: overview", "/staff/", ""
    for what, deep in (("tokens", "{deep_token}"), ("sessions", "{deep_session}")):
        yield f"staff: {what}", f"/staff/{what}/", ""
        yield f"staff: {what}, deep page", f"/staff/{what}/?page={deep}", ""
        offered = {f"search {name}": query for name, query in SEARCHES.items()}
        offered |= STATUSES | RANGES | {"heavy user": "user={heavy}"} | SAID | TOGETHER
        for name, query in offered.items():
            if what == "tokens" or "rotated" not in query:
                query = query.replace("{heavy_or_name}", "{heavy}")
                yield f"staff: {what}, {name}", f"/staff/{what}/?{query}", ""
    yield "staff: users", "/staff/users/", ""
    yield "staff: users, deep page", "/staff/users/?page={deep_user}", ""
    yield "staff: users, search", "/staff/users/?q={name_start}", ""
    yield "staff: events", "/staff/events/", ""
    yield "staff: events, deep page", "/staff/events/?page={deep_event}", ""
    offered = KINDS | {
        "by a user": "actor={heavy_name}",
        "about a user": "subject={heavy_name}",
        "about a user, rare kind": "subject={heavy_name}&kind=reuse",
        "session": "session={sid}",
        "jti": "jti={jti}",
        "address": "ip={ip}",
        "an office's address, revocations": "ip={office}&kind=revoke_session",
        "from": "after={yesterday}",
        "until": "before={last_week}",
    }
    for name, query in offered.items():
        yield f"staff: events, {name}", f"/staff/events/?{query}", ""
    yield "staff: token", "/staff/tokens/{jti}/", ""
    yield "staff: session", "/staff/sessions/{sid}/", ""
    yield "staff: user", "/staff/users/{user}/", ""
    yield "staff: heavy user", "/staff/users/{heavy}/", ""
    yield "staff: inspect", "/staff/inspect/", ""


PAGES: tuple[Row, ...] = tuple(pages())
REVIEWS: tuple[Row, ...] = tuple(reviews())
