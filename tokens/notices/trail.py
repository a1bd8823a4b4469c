"""Read the trail, and add a row for each mail that it gives reason for.

A page of the trail, its rows and the position of the reader commit together, so a process that is
killed neither skips an event nor notices it twice.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import islice

from django.contrib.auth import get_user_model
from django.contrib.auth.base_user import AbstractBaseUser
from django.db import transaction
from django.db.models import F, Q

from tokens.audit.targets import MEMBER
from tokens.audit.watermark import high_water_mark
from tokens.conf import app_settings
from tokens.db import clock
from tokens.listing.own_events import as_owner_sees
from tokens.listing.places import (
    KNOWN,
    Place,
    known_places,
    place_of,
    places_before,
    what_is_new,
)
from tokens.listing.search import UserKey
from tokens.models import Event, EventTarget, Notice, NoticeState, TrailReader
from tokens.models.kinds import LOGIN_KINDS, TOLD_KINDS, Told
from tokens.notices.mail import address_of

READER = "notices"
# Events in one transaction, and users in one query.
PAGE, USERS = 20, 500
# The first run begins with the events of this time. Older ones are no news.
FIRST, DAY = timedelta(hours=1), timedelta(days=1)
# Events of an account that are searched for its earlier logins, most of them refreshes.
LOOKED = 5_000
# Events that one mail lists. It counts the rest.
LISTED = 20


def read_trail(*, wait: float = 30.0) -> Iterator[int]:
    """Read the trail up to the high-water mark, and yield the number of mails after each page.

    Raises `tokens.audit.watermark.StillWriting`.
    """
    through = high_water_mark(wait=wait)
    _start()
    while (mails := _read_page(through)) is not None:
        yield mails


def _start() -> None:
    if not TrailReader.objects.filter(name=READER).exists():
        old = Event.objects.filter(at__lt=clock.now() - FIRST).order_by("-at", "-id")
        begin = old.values_list("pk", flat=True).first() or 0
        TrailReader.objects.get_or_create(name=READER, defaults={"last_id": begin})


def _read_page(through: int) -> int | None:
    """Read the next page, and return the number of mails; None at the end."""
    with transaction.atomic(durable=True):
        reader = TrailReader.objects.select_for_update().get(name=READER)
        if reader.last_id >= through:
            return None
        beyond = Event.objects.filter(pk__gt=reader.last_id, pk__lte=through)
        events = list(beyond.filter(kind__in=TOLD_KINDS).order_by("pk")[:PAGE])
        mails = _add_mails(_by_user(events))
        reader.last_id = events[-1].pk if len(events) == PAGE else through
        reader.save(update_fields=["last_id"])
    return mails


def _by_user(events: Sequence[Event]) -> dict[UserKey, list[Event]]:
    """Return the events that each user is told of."""
    logins = [one for one in events if one.traits.told is Told.NEW_PLACE]
    known = known_places(users={one.subject_id for one in logins} - {None}) if logins else {}
    found: dict[UserKey, list[Event]] = defaultdict(list)
    for event in events:
        if event.at < clock.now() - DAY:
            continue
        if event in logins and not _is_from_new_place(event, known):
            continue
        for user in _users(event):
            found[user].append(event)
    return found


def _users(event: Event) -> Collection[UserKey]:
    """Return the users that an event is about. An act upon many lists them as its targets."""
    if event.subject_id is not None:
        return [event.subject_id]
    # One that is for everybody is no news: so many mails would be the next incident.
    if event.data.get("everybody") or MEMBER not in event.data:
        return []
    targets = EventTarget.objects.filter(event_id=event.pk).exclude(user=None)
    return set(targets.values_list("user_id", flat=True))


def _is_from_new_place(event: Event, known: Mapping[UserKey | None, list[Place]]) -> bool:
    login = place_of(
        at=event.at, user_agent=event.user_agent, ips=[event.ip], session=event.session_id
    )
    earlier = places_before(login, known.get(event.subject_id, ()))
    if earlier and what_is_new(login, earlier) is None:
        return False
    # Browsers have no session with tokens, and many logins at once may have displaced the others.
    return what_is_new(login, [*earlier, *_logins_before(event)]) is not None


def _logins_before(event: Event) -> list[Place]:
    earlier = Event.objects.filter(Q(subject=event.subject_id), pk__lt=event.pk)
    rows = earlier.order_by("-at", "-id").values_list("kind", F("at"), "user_agent", "ip")[:LOOKED]
    logins = (row for row in rows.iterator() if row[0] in LOGIN_KINDS)
    return [
        place_of(at=at, user_agent=agent, ips=[ip])
        for _kind, at, agent, ip in islice(logins, KNOWN)
    ]


def _add_mails(found: Mapping[UserKey, list[Event]]) -> int:
    keys = sorted(found, key=str)
    chunks = (keys[start : start + USERS] for start in range(0, len(keys), USERS))
    return sum(_add_mails_to(chunk, found) for chunk in chunks)


def _add_mails_to(keys: Sequence[UserKey], found: Mapping[UserKey, list[Event]]) -> int:
    """Add the events to each user's mail that waits, or to a new one. Return how many are new."""
    now = clock.now()
    new: list[Notice] = []
    mails = Notice.objects.filter(user__pk__in=keys, for_password=False)
    untried = mails.select_for_update().filter(state=NoticeState.WAITING, attempts=0)
    waiting = {mail.user_id: mail for mail in untried.order_by("pk")}
    others = mails.exclude(pk__in=[mail.pk for mail in waiting.values()])
    recent = others.filter(due_at__gt=now - DAY).exclude(state=NoticeState.FAILED)
    times: dict[UserKey, list[datetime]] = defaultdict(list)
    for user_id, due_at in recent.order_by("-due_at").values_list("user", F("due_at")):
        times[user_id].append(due_at)
    for user in get_user_model()._base_manager.filter(pk__in=keys):
        news = [one for one in found[user.pk] if _is_news(one, user)]
        if not news or not address_of(user):
            continue
        mail = waiting.get(user.pk) or Notice(user_id=user.pk, only_logins=True)
        for event in news:
            _add_event(mail, event)
        mail.due_at = _when_due(times[user.pk], mail.only_logins, now)
        if user.pk in waiting:
            mail.save()
        else:
            new.append(mail)
    Notice.objects.bulk_create(new)
    return len(new)


def _is_news(event: Event, user: AbstractBaseUser) -> bool:
    only_by_staff = event.traits.told is Told.BY_STAFF
    return not only_by_staff or as_owner_sees(event, user=user).by_staff


def _add_event(mail: Notice, event: Event) -> None:
    """List an event, or count it. Logins leave half of the list to changes of the account."""
    login = event.traits.told is Told.NEW_PLACE
    mail.only_logins = mail.only_logins and login
    if len(mail.events) < (LISTED // 2 if login else LISTED):
        mail.events = [*mail.events, event.pk]
    else:
        mail.left_out += 1


def _when_due(recent: list[datetime], only_logins: bool, now: datetime) -> datetime:
    """Return when a mail may be sent, after ``recent`` ones of the last day, latest first.

    Mails about logins alone may use half of NOTICES_PER_DAY. So many logins can't hold back the
    mail about a changed password.
    """
    limit = app_settings.NOTICES_PER_DAY
    if only_logins:
        limit = (limit + 1) // 2
    return now if not limit or len(recent) < limit else recent[limit - 1] + DAY
