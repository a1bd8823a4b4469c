"""Count the live sessions of each signing key: what retiring it in an emergency would end."""

from collections.abc import Sequence

from django.db.models import Count, Q, Value
from django.db.models.functions import StrIndex, Substr

from tokens.db import clock
from tokens.jwt.signing import refresh_start
from tokens.listing.estimates import CAP, Estimate
from tokens.listing.status import live
from tokens.models import Session, SigningKey


def live_sessions_by_key(keys: Sequence[SigningKey]) -> dict[str, Estimate]:
    """Count the live sessions whose refresh token each of ``keys`` signed, by its ``kid``.

    Only the `CAP` sessions that end last are counted. Where there are more, each number is a lower
    bound.
    """
    newest = Session.objects.filter(Q(ends_at__gt=clock.now())).order_by("-ends_at", "-id")
    start = Substr("current__token", 1, StrIndex("current__token", Value(".")))
    found = dict(
        live(Session.objects.filter(Q(pk__in=newest.values("pk")[:CAP])))
        .order_by()
        .annotate(start=start)
        .values_list("start")
        .annotate(number=Count("pk"))
    )
    more = newest.values("pk")[: CAP + 1].count() > CAP
    return {
        key.kid: Estimate(
            found.get(refresh_start(kid=key.kid, algorithm=key.algorithm), 0),
            exact=not more,
            more=more,
        )
        for key in keys
    }
