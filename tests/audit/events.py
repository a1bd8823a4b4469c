"""Write, seal and verify events, and change the database behind the triggers."""

from contextlib import contextmanager

from django.db import connection

from tokens.audit import guards, record
from tokens.audit.seal import seal_events
from tokens.audit.tampered import Tampered
from tokens.audit.trusted_seals import newest_seal
from tokens.audit.verify import compare
from tokens.models import Event, Kind


def write(number, **fields):
    fields.setdefault("kind", Kind.REFRESH)
    odd = "tab\tline\nback\\slash"
    return [record(jti=f"jti-{n}", reason=f"{odd} {n}", **fields) for n in range(number)]


def seal(size=10_000):
    return list(seal_events(last=newest_seal(), wait=5, size=size))


def verify(**options):
    """Return the first difference, or None."""
    return next((found for found in compare(**options) if isinstance(found, Tampered)), None)


@contextmanager
def unguarded():
    guards.drop(connection)
    try:
        yield
    finally:
        guards.install(connection)


def sql(statement, *params):
    with connection.cursor() as cursor:
        cursor.execute(statement, params)


def ids():
    return list(Event.objects.order_by("pk").values_list("pk", flat=True))
