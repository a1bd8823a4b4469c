"""Say which services know of a revocation, and until when an access token may live elsewhere."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.contrib.auth.base_user import AbstractBaseUser
from django.db.models import Max, Q, Subquery

from tokens.conf import app_settings
from tokens.db import clock
from tokens.jwt.signing import access_lifetime, leeway
from tokens.listing.cutoffs import cutoffs_over
from tokens.listing.stats import last_of
from tokens.models import Cutoff, RevocationJob, Service, Session
from tokens.models.kinds import BULK_KINDS

# A service that polls is heard of more often.
SILENT = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class ServiceReach:
    """Say whether a service that follows the feed knows of a revocation.

    ``confirmed_at`` is the instant up to which it knows all of them. ``silent`` says that this is
    long ago, and that the service does not know of this one.
    """

    name: str
    confirmed: bool
    confirmed_at: datetime | None
    silent: bool


@dataclass(frozen=True, slots=True)
class Reach:
    """Hold when something was revoked, and how far that has come.

    ``until`` is when the last of its access tokens expires, in the future.
    """

    revoked_at: datetime
    until: datetime
    services: tuple[ServiceReach, ...]

    @property
    def confirmed(self) -> bool:
        """Return whether every service that follows the feed knows of the revocation."""
        return all(service.confirmed for service in self.services)


def reach_of_session(*, session: Session) -> Reach | None:
    """Return the reach of a session's end; None if no access token of it can be in use."""
    if session.last_used_at <= clock.now() - _lifetime():
        return None
    at = session.revoked_at
    if at is None:
        cutoff = cutoffs_over(sids=[session.pk]).get(session.pk)
        at = cutoff.created_at if cutoff is not None else None
    return _reach(at, session.last_used_at)


def reach_of_user(*, user: AbstractBaseUser) -> Reach | None:
    """Return the reach of what was revoked of a user last; see `reach_of_session`."""
    now = clock.now()
    recent = Session.objects.filter(Q(user=user.pk), last_used_at__gt=now - _lifetime())
    last = recent.aggregate(revoked=Max("revoked_at"), used=Max("last_used_at"))
    if last["used"] is None:
        return None
    instants = [last["revoked"], *_latest_cutoffs(user)]
    at = max((one for one in instants if one is not None), default=None)
    return _reach(at, last["used"])


def reach_of_job(*, job: RevocationJob) -> Reach | None:
    """Return the reach of a revocation job; None before all of it is revoked."""
    return _reach(job.created_at if job.everybody else job.finished_at, None)


def reach_of_latest_bulk() -> Reach | None:
    """Return the reach of the last revocation by filter or cutoff; see `reach_of_session`."""
    instants = [last_of(kind=kind) for kind in BULK_KINDS]
    return _reach(max((at for at in instants if at is not None), default=None), None)


def _latest_cutoffs(user: AbstractBaseUser) -> list[datetime]:
    """Return when the latest cutoffs were set that end sessions of the user."""
    latest = Cutoff.objects.order_by("-not_before").values("pk")
    own, general = latest.filter(Q(user=user.pk))[:1], latest.filter(user=None)[:1]
    found = Cutoff.objects.filter(Q(pk=Subquery(own)) | Q(pk=Subquery(general)))
    return list(found.values_list("created_at", flat=True))


def _reach(at: datetime | None, last_used_at: datetime | None) -> Reach | None:
    """Return the reach of a revocation. No token of it was issued after ``last_used_at``."""
    if at is None:
        return None
    now = clock.now()
    until = min(at, last_used_at or at, now) + _lifetime()
    if until <= now:
        return None
    followers = Service.objects.filter(may_read_feed=True).order_by("name")
    services = (_service_reach(service, at, now) for service in followers)
    return Reach(revoked_at=at, until=until, services=tuple(services))


def _service_reach(service: Service, at: datetime, now: datetime) -> ServiceReach:
    confirmed_at = service.confirmed_at
    confirmed = confirmed_at is not None and confirmed_at > at
    silent = not confirmed and (confirmed_at is None or confirmed_at < now - SILENT)
    return ServiceReach(service.name, confirmed, confirmed_at, silent)


def _lifetime() -> timedelta:
    """Return how long after a refresh an access token of it may be accepted somewhere.

    A retry within the grace gets an access token too.
    """
    grace = timedelta(seconds=app_settings.REFRESH_GRACE_SECONDS)
    return access_lifetime() + timedelta(seconds=leeway()) + grace
