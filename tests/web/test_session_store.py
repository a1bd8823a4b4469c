"""A row of ``django_session`` opens nothing: its key is a digest of the cookie's (invariant 1)."""

import pytest
from asgiref.sync import async_to_sync
from django.apps import apps
from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends import db
from django.contrib.sessions.models import Session
from django.core.management import call_command
from django.db import connection
from django.db.models.signals import post_migrate
from django.test import Client
from django.utils import timezone

from tests.support.users import PASSWORD
from tokens.web.session_store import SessionStore, convert_rows, stored_key

URL = "/account/sessions/"


def cookie_of(client: Client) -> str:
    return client.cookies["sessionid"].value


def opens(key: str) -> bool:
    client = Client()
    client.cookies["sessionid"] = key
    return client.get(URL).status_code == 200


@pytest.fixture
def browser(alice) -> Client:
    client = Client()
    client.post("/account/login/", {"username": "alice", "password": PASSWORD})
    return client


def test_key_of_a_row_is_no_cookie(browser):
    assert opens(cookie_of(browser))
    (row,) = Session.objects.all()
    assert row.session_key == stored_key(cookie_of(browser)) != cookie_of(browser)
    assert not opens(row.session_key)
    assert not opens(row.session_data)


def test_no_table_holds_the_cookie(browser):
    browser.get(URL)
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}")
            assert cookie_of(browser) not in str(cursor.fetchall()), table


def test_logout_deletes_the_row(browser):
    browser.post("/account/logout/")
    assert not Session.objects.exists()


def test_login_replaces_the_key_and_the_row(browser):
    before = cookie_of(browser)
    browser.post("/account/login/", {"username": "alice", "password": PASSWORD})
    browser.logout()
    assert not opens(before)


def test_expired_row_opens_nothing(browser):
    Session.objects.update(expire_date=timezone.now())
    assert not opens(cookie_of(browser))


def test_expired_rows_are_cleared(browser):
    Session.objects.update(expire_date=timezone.now())
    call_command("clearsessions")
    assert not Session.objects.exists()


@pytest.mark.django_db
def test_store_behaves_like_django_s():
    store = SessionStore()
    store["a"] = 1
    store.save()
    key = store.session_key
    assert key
    assert store.exists(key)
    assert SessionStore(key)["a"] == 1
    store.cycle_key()
    assert store.session_key != key
    assert not store.exists(key)
    assert SessionStore(store.session_key)["a"] == 1
    store.flush()
    assert not Session.objects.exists()


@pytest.mark.django_db
def test_deleting_names_a_key_or_the_own_one():
    SessionStore().delete()
    one, two = SessionStore(), SessionStore()
    one.create()
    two.create()
    one.delete(two.session_key)
    assert one.exists(one.session_key)
    one.delete()
    assert not Session.objects.exists()


@pytest.mark.django_db
def test_store_refuses_a_key_that_it_did_not_make():
    store = SessionStore("a" * 32)
    assert store.get("a") is None
    assert store.session_key is None


@pytest.mark.django_db(transaction=True)
def test_async_methods_do_the_same():
    async def walk() -> None:
        store = SessionStore()
        await store.aset("a", 1)
        await store.asave()
        key = store.session_key
        assert key
        assert await store.aexists(key)
        assert await SessionStore(key).aget("a") == 1
        await store.acycle_key()
        assert not await store.aexists(key)
        assert await SessionStore("b" * 32).aget("a") is None
        await store.aflush()

    async_to_sync(walk)()
    assert not Session.objects.exists()


@pytest.fixture
def older(alice, settings) -> Client:
    """Log in with Django's engine, as before the upgrade."""
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.db"
    client = Client()
    client.force_login(alice)
    settings.SESSION_ENGINE = "tokens.web.session_store"
    return client


def test_migrate_converts_rows_and_logs_no_one_out(older):
    for _ in range(2):
        post_migrate.send(
            sender=apps.get_app_config("tokens"),
            app_config=apps.get_app_config("tokens"),
            verbosity=0,
            interactive=False,
            using="default",
        )
    assert opens(cookie_of(older))
    assert Session.objects.get().session_key == stored_key(cookie_of(older))


def test_row_that_was_not_converted_opens_nothing(older):
    assert not opens(cookie_of(older))


def test_rows_of_another_engine_are_left_alone(older, settings):
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.db"
    convert_rows(using="default")
    assert db.SessionStore(cookie_of(older)).get(SESSION_KEY)
