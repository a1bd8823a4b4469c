import pytest
from django.db import connection


@pytest.fixture
def refuse_events(db):
    """Make each INSERT of an event fail, as on a full disk."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(
                "CREATE FUNCTION pg_temp.full() RETURNS trigger LANGUAGE plpgsql AS "
                "$$ BEGIN RAISE EXCEPTION 'disk full' USING ERRCODE = 'disk_full'; END $$"
            )
            call = "FOR EACH STATEMENT EXECUTE FUNCTION pg_temp.full()"
        else:
            call = "BEGIN SELECT RAISE(ABORT, 'disk full'); END"
        cursor.execute(f"CREATE TRIGGER tokens_event_full BEFORE INSERT ON tokens_event {call}")
