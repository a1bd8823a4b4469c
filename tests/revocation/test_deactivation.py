"""An account that is deactivated without a signal has no tokens, and gets none back."""

import pytest
from django.apps import apps
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group, Permission, User
from django.contrib.contenttypes.models import ContentType
from django.core.management import call_command
from django.db import connection
from django.db.migrations import AlterField, Migration
from django.db.models import BooleanField
from django.db.models.signals import post_migrate, pre_migrate
from django.test import Client

from tests.support.database.snapshot import events_refused
from tests.support.tokens import failed, kinds, later, pair_of, refused
from tests.support.users import PASSWORD, make_user
from tokens.models import Cutoff, Event, Kind, OutstandingToken
from tokens.models.reasons import Reason
from tokens.revocation import deactivation, revoke_session, revoke_user
from tokens.sessions.issue import open_session
from tokens.sessions.refresh import rotate


class Colleague(User):
    class Meta:
        proxy = True
        app_label = "auth"


def by_queryset(active):
    User.objects.filter(username="alice").update(is_active=active)


def by_proxy(active):
    Colleague.objects.filter(username="alice").update(is_active=active)


def by_bulk_update(active):
    user = User.objects.get(username="alice")
    user.is_active = active
    User.objects.bulk_update([user], ["is_active"])


def by_sql(active):
    with connection.cursor() as cursor:
        cursor.execute("UPDATE auth_user SET is_active = %s WHERE username = 'alice'", [active])


def by_fixture(active):
    User(pk=User.objects.get(username="alice").pk, username="alice", is_active=active).save_base(
        raw=True
    )


def by_save(active):
    user = User.objects.get(username="alice")
    user.is_active = active
    user.save()


WAYS = [by_queryset, by_proxy, by_bulk_update, by_sql, by_fixture]
each_way = pytest.mark.parametrize("deactivate", WAYS, ids=lambda way: way.__name__)


@each_way
def test_reactivated_account_gets_no_token_back(alice, bob, deactivate):
    held, other = pair_of(alice), pair_of(bob)
    browser = Client()
    browser.post("/account/login/", {"username": "alice", "password": PASSWORD})
    deactivate(False)
    assert failed(held.access) is not None
    deactivate(True)
    User.objects.filter(pk=alice.pk).update(password=alice.password)
    assert failed(held.access) == "cut-off"
    assert refused(held.refresh)
    assert browser.get("/account/sessions/").status_code == 302
    assert failed(other.access) is None
    alice.refresh_from_db()
    assert failed(pair_of(alice).access) is None


@each_way
def test_deactivation_is_in_the_trail(alice, deactivate):
    pair_of(alice)
    deactivate(False)
    event = Event.objects.get(kind=Kind.USER_DEACTIVATED)
    assert (event.subject, event.subject_name, event.count) == (alice, "alice", 1)
    assert (event.actor, event.reason) == (None, Reason.USER_DEACTIVATED_IN_DATABASE)
    assert event.data == {}


def test_deactivation_that_signals_saw_is_recorded_once(alice, sam):
    pair_of(alice)
    by_save(False)
    assert Event.objects.get(kind=Kind.USER_DEACTIVATED).reason == Reason.USER_DEACTIVATED
    assert Cutoff.objects.count() == 1
    by_save(True)
    by_sql(False)
    assert Cutoff.objects.count() == 1


def test_session_opened_after_an_earlier_deactivation_ends_too(alice):
    by_save(False)
    by_save(True)
    held = pair_of(alice)
    by_sql(False)
    by_sql(True)
    assert failed(held.access) == "cut-off"


@pytest.mark.parametrize("before", [False, True], ids=["first", "second"])
def test_reason_that_names_a_deactivation_hides_no_event(alice, sam, before):
    if before:
        by_save(False)
        by_save(True)
    pair_of(alice)
    revoke_user(user=alice, actor=sam, reason=Reason.USER_DEACTIVATED)
    written = Event.objects.filter(kind=Kind.USER_DEACTIVATED).count()
    by_sql(False)
    assert Event.objects.filter(kind=Kind.USER_DEACTIVATED).count() == written + 1


@pytest.mark.postgresql
def test_trigger_of_the_project_that_deactivates_is_seen(alice):
    held = pair_of(alice)
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE FUNCTION lock_out() RETURNS trigger LANGUAGE plpgsql AS "
            "$$BEGIN NEW.is_active := NEW.first_name <> 'gone'; RETURN NEW; END$$"
        )
        cursor.execute(
            "CREATE TRIGGER lock_out BEFORE UPDATE ON auth_user "
            "FOR EACH ROW EXECUTE FUNCTION lock_out()"
        )
    User.objects.filter(pk=alice.pk).update(first_name="gone")
    User.objects.filter(pk=alice.pk).update(first_name="back")
    assert User.objects.get(pk=alice.pk).is_active
    assert failed(held.access) == "cut-off"


def replace(user, active):
    columns = [field.column for field in User._meta.local_concrete_fields]
    values = ", ".join("%s" if name == "is_active" else name for name in columns)
    names = ", ".join(columns)
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT OR REPLACE INTO auth_user ({names}) "
            f"SELECT {values} FROM auth_user WHERE id = %s",
            [active, user.pk],
        )


@pytest.mark.sqlite
def test_replaced_row_deactivates_too(alice, bob):
    held = pair_of(alice)
    browser = Client()
    browser.post("/account/login/", {"username": "bob", "password": PASSWORD})
    for user in (alice, bob):
        replace(user, False)
        replace(user, True)
    assert failed(held.access) == "cut-off"
    assert browser.get("/account/sessions/").status_code == 302
    assert Event.objects.filter(kind=Kind.USER_DEACTIVATED).count() == 2


def test_new_inactive_account_writes_nothing(alice):
    trail = kinds()
    make_user("carol", is_active=False)
    User.objects.bulk_create(
        [User(pk=alice.pk, username="alice", is_active=False)], ignore_conflicts=True
    )
    assert (kinds(), Cutoff.objects.count()) == (trail, 0)


def test_browser_session_kept_by_its_own_act_ends_too(alice):
    browser = Client()
    browser.post("/account/login/", {"username": "alice", "password": PASSWORD})
    browser.post("/account/sessions/end/")
    assert browser.get("/account/sessions/").status_code == 200
    by_sql(False)
    by_sql(True)
    assert browser.get("/account/sessions/").status_code == 302


def test_session_of_a_host_whose_clock_is_ahead_ends_too(alice):
    with later(minutes=3):
        held = pair_of(alice)
    by_sql(False)
    by_sql(True)
    with later(minutes=3, seconds=1):
        assert failed(held.access) == "cut-off"


def test_updates_that_deactivate_no_one_write_nothing(alice):
    pair_of(alice)
    trail = kinds()
    User.objects.update(first_name="x", is_active=True)
    User.objects.filter(pk=alice.pk).update(last_login=None)
    assert (kinds(), Cutoff.objects.count()) == (trail, 0)


def test_many_accounts_at_once(alice, bob):
    for user in (alice, bob):
        pair_of(user)
    User.objects.update(is_active=False)
    assert Event.objects.filter(kind=Kind.USER_DEACTIVATED).count() == 2


@pytest.mark.django_db(transaction=True)
def test_account_stays_active_if_the_event_cannot_be_written(alice):
    held = pair_of(alice)
    with events_refused(), pytest.raises(Exception, match="no space left"):
        by_sql(False)
    assert failed(held.access) is None
    assert Cutoff.objects.count() == 0


@pytest.mark.django_db(transaction=True)
def test_trail_with_an_event_of_the_database_verifies(alice):
    pair_of(alice)
    by_sql(False)
    call_command("seal_events", verbosity=0)
    call_command("verify_events", verbosity=0)


# --- Migrations.


def has_trigger() -> bool:
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SELECT 1 FROM pg_trigger WHERE tgname = %s", [deactivation.NAME])
        else:
            cursor.execute("SELECT 1 FROM sqlite_master WHERE name = %s", [deactivation.NAME])
        return cursor.fetchone() is not None


@pytest.mark.django_db
def test_trigger_is_dropped_before_a_migration_and_created_after_it():
    assert has_trigger()
    migration = Migration("changes_a_column", "auth")
    migration.operations = [AlterField("user", "is_active", BooleanField())]
    config = apps.get_app_config("tokens")
    sent = {"sender": config, "app_config": config, "using": "default"}
    pre_migrate.send(plan=[], **sent)
    assert has_trigger()
    pre_migrate.send(plan=[(migration, False)], **sent)
    assert not has_trigger()
    post_migrate.send(verbosity=0, interactive=False, **sent)
    post_migrate.send(verbosity=0, interactive=False, **sent)
    assert has_trigger()


@pytest.mark.django_db
def test_user_model_without_the_column_gets_no_trigger(monkeypatch):
    deactivation.drop(connection)
    monkeypatch.setattr(deactivation, "_column_of_user", lambda name: None)
    deactivation.install(connection)
    assert not has_trigger()


def left_behind():
    """Return the names of the app's tables, functions and triggers in the database."""
    queries = ["SELECT name FROM sqlite_master"]
    if connection.vendor == "postgresql":
        queries = ["SELECT proname FROM pg_proc", "SELECT relname FROM pg_class"]
        queries += ["SELECT tgname FROM pg_trigger"]
    with connection.cursor() as cursor:
        found = set()
        for query in queries:
            cursor.execute(query)
            found |= {name for (name,) in cursor if name.startswith("tokens_")}
    for model in (ContentType, Permission):
        label = "app_label" if model is ContentType else "content_type__app_label"
        found |= set(map(str, model.objects.filter(**{label: "tokens"})))
    return found | set(Group.objects.values_list("name", flat=True))


@pytest.mark.django_db(transaction=True)
def test_app_can_be_removed_and_added_again():
    """A user can be deleted afterwards, and a line of the admin's log stays."""
    alice = make_user("alice")
    revoke_user(user=alice, actor=make_user("sam"), reason="left")
    session = open_session(user=alice).session
    type_ = ContentType.objects.get_for_model(session)
    line = {"user": alice, "content_type": type_, "object_id": "1", "action_flag": 1}
    LogEntry.objects.create(**line, object_repr="a session")
    own = Group.objects.get(name="Token auditors")
    own.permissions.add(Permission.objects.get(codename="view_user"))
    alice.groups.add(own)
    # Sessions keep the keys of a user and of a used-up token that are deleted.
    gone, successor = make_user("gone"), rotate(refresh=open_session(user=alice).refresh).session
    revoke_user(user=make_user("bob"), actor=gone, reason="left")
    revoke_session(session=open_session(user=alice).session, actor=gone, reason="lost device")
    gone.delete()
    OutstandingToken.objects.filter(pk=successor.previous_id).delete()
    try:
        call_command("migrate", "tokens", "zero", verbosity=0)
        assert not has_trigger()
        # The project gave this group a permission of its own.
        assert left_behind() == {"Token auditors"}
        assert LogEntry.objects.get().content_type is None
        own.delete()
        assert left_behind() == set()
        by_sql(False)
        by_sql(True)
        OutstandingToken.objects.update(user=None)
        LogEntry.objects.all().delete()
        with connection.cursor() as cursor:
            cursor.execute("DELETE FROM auth_user")
    finally:
        call_command("migrate", verbosity=0)
    assert has_trigger()
    names = {"Token staff", "Token auditors"}
    assert set(Group.objects.values_list("name", flat=True)) == names
    assert Permission.objects.filter(group__name="Token staff", codename="revoke_token").exists()
