"""Every address of the portal, as the resolver knows it, and one of each thing named in them."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from django.contrib.auth.models import Group, User
from django.contrib.contenttypes.models import ContentType
from django.urls import URLPattern, URLResolver, get_resolver, resolve
from django.utils import timezone

from tokens.db import clock
from tokens.jwt.algorithms import ALGORITHMS
from tokens.keyring.acts import add_key
from tokens.models import BrowserSession, Cutoff, Event, Factor, FactorKind, Notice, Refusal
from tokens.notices.links import Link, address
from tokens.revocation import Selection, preview, propose, start_job
from tokens.services import add_service
from tokens.sessions.issue import open_session


def routes() -> set[str]:
    """Return the pattern of every URL, as `ResolverMatch.route` spells it."""
    return set(_walk(get_resolver(), ""))


def _walk(resolver: URLResolver, before: str) -> Iterator[str]:
    for entry in resolver.url_patterns:
        spelled = before + str(entry.pattern).removeprefix("^")
        if isinstance(entry, URLPattern):
            yield spelled
        else:
            yield from _walk(entry, spelled)


def route_of(address: str) -> str:
    return resolve(address.partition("?")[0]).route


def browser_session_of(user: User) -> BrowserSession:
    """Return the row of a login in a browser, without the browser."""
    now = clock.now()
    return BrowserSession.objects.create(
        user=user,
        opened_at=now,
        valid_from=now,
        last_used_at=now,
        ends_at=now + timedelta(hours=1),
    )


class Things:
    """Create one of each thing that an address can name.

    They concern Bob. The names with ``root`` are those of a superuser.
    """

    def __init__(self, *, bob: User, sam: User) -> None:
        session = open_session(user=bob).session
        group = Group.objects.order_by("pk")[0]
        cutoff = Cutoff.objects.create(user=bob, not_before=session.created_at, actor=sam)
        root = open_session(user=sam).session
        assert session.current is not None
        assert root.current is not None
        selection = Selection(users=(bob.pk,), issued_before=session.created_at)
        job = start_job(
            selection=selection, found=preview(selection=selection), actor=sam, reason="leak"
        )
        alone = Selection(sessions=(session.pk,))
        proposal = propose(
            selection=alone, found=preview(selection=alone), actor=sam, reason="leak"
        )
        refusal = Refusal.objects.create(
            slot=0, request_id="0a1b2c3d4e5f", at=timezone.now(), check_name="signature"
        )
        service = add_service(name="billing", may_introspect=True, may_read_feed=True)
        factor = Factor.objects.create(user=bob, kind=FactorKind.TOTP, name="phone", credential=b"")
        key = add_key(algorithm=ALGORITHMS["EdDSA"]).key
        self.named: dict[str, Any] = {
            "sid": session.pk,
            "browser": browser_session_of(bob).pk,
            "root_browser": browser_session_of(sam).pk,
            "root": sam.pk,
            "root_sid": root.pk,
            "root_token": root.current_id,
            "root_jti": root.current.jti,
            "jti": session.current.jti,
            "token": session.current_id,
            "user": bob.pk,
            "group": group.pk,
            "cutoff": cutoff.pk,
            "job": job.pk,
            "proposal": proposal.pk,
            "request": refusal.request_id,
            "service": service.service.pk,
            "key": key.pk,
            "factor": factor.pk,
            "link": link_of(bob),
            "event": Event.objects.order_by("pk")[0].pk,
            "type": ContentType.objects.get_for_model(User).pk,
        }

    def spell(self, address: str, **more: Any) -> str:
        return address.format(**self.named, **more)


def link_of(user: User) -> str:
    """Return the link of a mail that was sent to the user."""
    notice = Notice.objects.create(user=user, handed_over_at=timezone.now())
    return address(notice, Link.NOT_ME).rpartition("=")[2]
