"""Staff see which services verify tokens, add them, rotate their secrets and remove them."""

import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import Group

from tests.support.users import make_staff
from tokens.db import clock
from tokens.models import Event, Kind, Service
from tokens.services import CredentialRejected, add_service, credentials, remove_service

ADD = "/staff/services/add/"
GERMAN = {"accept-language": "de"}


@pytest.fixture
def staff(client, sam):
    client.force_login(sam)
    return client


@pytest.fixture
def billing(db):
    return add_service(name="billing", may_introspect=True, may_read_feed=True)


def secret_on(page):
    return re.search(r'<code class="wrap">([\w-]{43})</code>', page.text).group(1)


def test_page_without_services_says_what_they_are_for(staff):
    page = staff.get("/staff/services/").text
    assert "No services" in page
    assert "Add one for each program" in page
    assert ADD in page


def test_list_shows_what_each_service_may_do_and_when_it_called(staff, billing):
    page = staff.get("/staff/services/").text
    assert page.count("never") == 2
    at = clock.now() - timedelta(hours=2)
    Service.objects.update(last_call_at=at, confirmed_at=at, calls=12_345)
    page = staff.get("/staff/services/").text
    assert all(word in page for word in ("billing", "introspect", "feed", "12,345", "2\xa0hours"))
    assert billing.service.digest not in page


def test_added_service_gets_a_secret_that_is_shown_once(staff, caplog):
    answer = staff.post(ADD, {"name": "billing", "may_read_feed": "on"})
    secret = secret_on(answer)
    assert (answer.status_code, answer.headers["Cache-Control"]) == (200, "no-store")
    service = credentials.authenticate(name="billing", secret=secret)
    assert (service.may_introspect, service.may_read_feed) == (False, True)
    for address in ("/staff/services/", "/staff/events/", "/admin/tokens/service/"):
        assert secret not in staff.get(address).text
    assert secret not in caplog.text
    assert not Event.objects.filter(data__icontains=secret).exists()


def hidden(page, name):
    return re.search(rf'name="{name}" value="([^"]+)"', page.text).group(1)


def test_form_of_a_new_service_sent_again_shows_the_same_secret(staff):
    form = {"name": "billing", "may_read_feed": "on", "once": hidden(staff.get(ADD), "once")}
    secret = secret_on(staff.post(ADD, form))
    assert secret_on(staff.post(ADD, form)) == secret
    assert Event.objects.filter(kind=Kind.SERVICE_ADDED).count() == 1
    assert staff.post(ADD, form | {"once": "another"}).status_code == 422
    assert credentials.authenticate(name="billing", secret=secret).name == "billing"


def test_form_of_a_rotation_sent_again_shows_the_same_secret(staff, billing):
    address = f"/staff/services/{billing.service.pk}/rotate/"
    forms = []
    for _tab in range(2):
        page = staff.get(address)
        forms.append({name: hidden(page, name) for name in ("once", "was")})
    secret = secret_on(staff.post(address, forms[0]))
    assert secret_on(staff.post(address, forms[0])) == secret
    assert Event.objects.filter(kind=Kind.SERVICE_ROTATED).count() == 1
    refused = staff.post(address, forms[1])
    assert refused.status_code == 422
    assert "the secret was rotated after this form was opened" in refused.text
    assert credentials.authenticate(name="billing", secret=secret).name == "billing"
    page = staff.get(address)
    later = secret_on(staff.post(address, {name: hidden(page, name) for name in ("once", "was")}))
    assert staff.post(address, forms[0]).status_code == 422, "brings back no secret from before"
    assert credentials.authenticate(name="billing", secret=later) == billing.service


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"name": "billing"}, "Choose what the service may do."),
        ({"name": "", "may_read_feed": "on"}, "This field is required."),
        ({"name": "two words", "may_read_feed": "on"}, "Use letters, digits"),
        ({"name": "-x", "may_read_feed": "on"}, "Use letters, digits"),
        ({"name": "x" * 65, "may_read_feed": "on"}, "at most 64 characters"),
        ({"name": "a\0b", "may_read_feed": "on"}, "Null characters"),
        ({"name": "taken", "may_read_feed": "on"}, "Another service has this name."),
    ],
    ids=lambda given: given if isinstance(given, str) else given["name"][:9],
)
def test_wrong_form_says_why_and_adds_nothing(staff, given, why):
    add_service(name="taken", may_introspect=True, may_read_feed=False)
    answer = staff.post(ADD, given)
    assert answer.status_code == 422
    assert why in answer.text
    assert Service.objects.count() == 1


def test_review_of_a_rotation_comes_first_and_changes_nothing(staff, billing):
    address = f"/staff/services/{billing.service.pk}/rotate/"
    review = staff.get(address).text
    assert "The present secret is refused at once." in review
    assert credentials.authenticate(name="billing", secret=billing.secret) == billing.service
    secret = secret_on(staff.post(address))
    assert credentials.authenticate(name="billing", secret=secret) == billing.service
    with pytest.raises(CredentialRejected):
        credentials.authenticate(name="billing", secret=billing.secret)
    assert Event.objects.get(kind=Kind.SERVICE_ROTATED).actor.username == "sam"


def test_review_of_a_removal_says_what_no_longer_reaches_the_service(staff, billing):
    address = f"/staff/services/{billing.service.pk}/remove/"
    assert "revoked tokens may work there until they expire" in staff.get(address).text
    answer = staff.post(address, follow=True)
    assert "Removed the service billing." in answer.text
    assert not Service.objects.exists()
    assert staff.post(address).status_code == 404
    Service.objects.create(pk=billing.service.pk, name="asks", may_introspect=True)
    assert "learns of no more" not in staff.get(address).text


@pytest.mark.parametrize("act", ["rotate", "remove"])
def test_service_that_is_gone_is_not_found(staff, billing, act):
    remove_service(service=billing.service)
    for pk in (billing.service.pk, "9" * 30):
        assert staff.get(f"/staff/services/{pk}/{act}/").status_code == 404


def test_staff_who_may_only_view_see_no_acts(client, billing):
    client.force_login(make_staff("reader", "view_service"))
    page = client.get("/staff/services/").text
    assert "billing" in page
    assert "Remove…" not in page
    assert "Add a service" not in page
    for address in (ADD, f"/staff/services/{billing.service.pk}/remove/"):
        assert client.post(address, {"name": "x", "may_read_feed": "on"}).status_code == 403
    assert Service.objects.count() == 1


def test_staff_who_manage_services_need_no_other_permission(client, db):
    client.force_login(make_staff("keeper", "view_service", "manage_service"))
    assert client.post(ADD, {"name": "search", "may_introspect": "on"}).status_code == 200
    assert 'href="/staff/services/"' in client.get("/staff/").text


@pytest.mark.parametrize("group", ["Token staff", "Token auditors"])
def test_group_may_see_services_and_not_change_them(client, db, billing, group):
    user = make_staff("member")
    user.groups.add(Group.objects.get(name=group))
    client.force_login(user)
    assert client.get("/staff/services/").status_code == 200
    assert client.post(ADD).status_code == 403


def test_admin_shows_services_without_their_digest(staff, billing):
    for address in ("", f"{billing.service.pk}/change/"):
        page = staff.get(f"/admin/tokens/service/{address}").text
        assert "billing" in page
        assert billing.service.digest not in page
    assert staff.post("/admin/tokens/service/add/").status_code == 403


def test_pages_are_in_german(staff, billing):
    page = staff.get("/staff/services/", headers=GERMAN).text
    for words in ("Dienste", "Letzter Aufruf", "Geheimnis erneuern …", "Entfernen …", "nie"):
        assert words in page
