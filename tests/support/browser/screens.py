"""List the screens of which screenshots are taken."""

from dataclasses import dataclass

AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"


@dataclass(frozen=True)
class Screen:
    """Describe one screenshot.

    ``click`` is the text of the element that is pressed first. ``readme`` names the color schemes
    that the README shows.
    """

    name: str
    path: str
    click: str = ""
    paste: str = ""
    public: bool = False
    readme: tuple[str, ...] = ()


def screens(*, staff: str) -> list[Screen]:
    """Return a revoked session of `seed_demo` that has a long timeline, and its user."""
    from django.contrib.auth import get_user_model

    from tokens.listing.status import live
    from tokens.models import Event, Session
    from tokens.origin import Origin
    from tokens.revocation import Selection, preview, start_job
    from tokens.sessions.issue import open_session

    # Every button is to be seen.
    get_user_model().objects.filter(username=staff).update(is_superuser=True)
    session = Session.objects.exclude(revoked_at=None).order_by("-rotations")[0]
    token = session.current
    assert token is not None
    person = live(Session.objects.exclude(user=None)).order_by("-created_at")[0].user_id
    origin = Origin(ip="192.0.2.14", user_agent=AGENT)
    pair = open_session(user=get_user_model().objects.get(username=staff), origin=origin)
    event = Event.objects.order_by("-at")[0]
    ended = Selection(sessions=(live(Session.objects.exclude(user=person)).order_by("pk")[0].pk,))
    job = start_job(
        selection=ended, found=preview(selection=ended), actor=pair.session.user, reason="leak"
    )
    admin = "/admin/token_blacklist/outstandingtoken"
    return [
        Screen("login", "/staff/login/", public=True),
        Screen("account-login", "/account/login/", public=True),
        Screen("api", "/api/docs", public=True),
        Screen("overview", "/staff/", readme=("light",)),
        Screen("tokens", "/staff/tokens/", readme=("light", "dark")),
        Screen("tokens-none", "/staff/tokens/?q=nobody-like-this"),
        Screen("tokens-filters", "/staff/tokens/?status=active", click="More filters"),
        Screen("token", f"/staff/tokens/{token.jti}/", readme=("dark",)),
        Screen("sessions", "/staff/sessions/"),
        Screen("session", f"/staff/sessions/{session.pk}/"),
        Screen("users", "/staff/users/"),
        Screen("users-inactive", "/staff/users/?status=inactive"),
        Screen("user", f"/staff/users/{person}/"),
        Screen("review", f"/staff/users/{person}/", click="Revoke all tokens…", readme=("light",)),
        Screen("review-page", f"/staff/revoke/?user={person}"),
        Screen("everybody", "/staff/sessions/", click="Log everyone out…"),
        Screen("job", f"/staff/revoke/{job.pk}/"),
        Screen("inspect", "/staff/inspect/"),
        Screen("inspected", "/staff/inspect/", paste=pair.access),
        Screen("events", "/staff/events/"),
        Screen("events-filtered", "/staff/events/?kind=login"),
        Screen("account", "/account/sessions/"),
        Screen("account-end", "/account/sessions/end/"),
        Screen("account-password", "/account/password/"),
        Screen("account-events", "/account/events/"),
        Screen("missing", "/staff/tokens/no-such-token/"),
        Screen("admin", "/admin/"),
        Screen("admin-tokens", f"{admin}/"),
        Screen("admin-token", f"{admin}/{token.pk}/change/"),
        Screen("admin-review", f"/admin/auth/user/{person}/revoke/"),
        Screen("admin-sessions", "/admin/tokens/session/"),
        Screen("admin-user", f"/admin/auth/user/{person}/change/"),
        Screen("admin-event", f"/admin/tokens/event/{event.pk}/change/"),
        Screen("admin-everybody", "/admin/tokens/cutoff/add/"),
    ]
