"""Change lists open, filter, search and page; nothing on them is a signature."""

import pytest
from django.contrib.admin.templatetags.admin_list import items_for_result
from django.urls import reverse
from django.utils import timezone, translation

from tests.support.tokens import pair_of
from tokens.models import Cutoff

TOKENS = "admin:token_blacklist_outstandingtoken_changelist"
LISTS = (
    TOKENS, "admin:tokens_session_changelist", "admin:tokens_event_changelist",
    "admin:tokens_cutoff_changelist", "admin:auth_user_changelist",
)  # fmt: skip


@pytest.fixture
def boss(client, sam):
    client.force_login(sam)
    return client


@pytest.mark.parametrize("name", LISTS)
def test_each_list_opens(boss, alice, name):
    pair_of(alice)
    assert boss.get(reverse(name)).status_code == 200


@pytest.mark.parametrize(
    "query",
    ["status=active", "issued_within=1h", "expires_within=7d", "user=alice", "ip=10.0.0.1",
     "device=x", "q=al",
     "cursor=rubbish", "status=nonsense", "issued_within=nonsense", "user=nobody"],
)  # fmt: skip
@pytest.mark.parametrize("name", LISTS[:2])
def test_each_filter_answers(boss, alice, name, query):
    pair_of(alice)
    assert boss.get(f"{reverse(name)}?{query}").status_code == 200


@pytest.mark.parametrize("query", ["within=24h", "kind=login", "user=alice", "q=a", "q=10.0.0.1"])
def test_each_filter_of_events_answers(boss, alice, query):
    pair_of(alice)
    answer = boss.get(f"{reverse(LISTS[2])}?{query}")
    assert answer.status_code == 200


def test_a_list_pages_by_key(boss, alice):
    for _ in range(51):
        pair_of(alice)
    first = boss.get(reverse(TOKENS)).context["cl"]
    assert len(first.result_list) == 50
    second = boss.get(reverse(TOKENS) + first.older_link).context["cl"]
    assert len(second.result_list) == 1
    assert second.newer_link


def test_a_list_neither_counts_nor_grows_in_statements(
    boss, alice, bob, django_assert_max_num_queries
):
    for user in (alice, bob):
        for _ in range(5):
            pair_of(user)
    boss.get(reverse(TOKENS))
    with django_assert_max_num_queries(6) as seen:
        boss.get(reverse(TOKENS))
    counts = [q["sql"] for q in seen.captured_queries if "COUNT(" in q["sql"]]
    assert all("LIMIT" in sql for sql in counts)


def test_a_search_text_stays_text(boss, alice):
    answer = boss.get(reverse(TOKENS), {"q": "<script>alert(1)</script>"})
    assert b"<script>alert(1)" not in answer.content


def test_events_by_who_did_it(boss, alice, bob):
    from tokens import audit
    from tokens.models import Kind

    audit.record(kind=Kind.REVOKE_USER, actor=bob, subject=alice)
    audit.record(kind=Kind.REVOKE_USER, actor=alice, subject=bob)
    page = boss.get(reverse("admin:tokens_event_changelist"), {"actor": "bob"})
    assert [event.actor_id for event in page.context["cl"].result_list] == [bob.pk]


@pytest.mark.parametrize("language", ["en", "de", "vi"])
@pytest.mark.parametrize("query", ["", "?q=alice", "?status=active"])
@pytest.mark.parametrize("name", LISTS[:4])
def test_lines_are_those_that_django_writes(boss, alice, name, query, language):
    pair_of(alice)
    Cutoff.objects.create(user=alice, not_before=timezone.now(), reason="<b>", actor_name="sam")
    cl = boss.get(f"{reverse(name)}{query}").context["cl"]
    with translation.override(language):
        theirs = ["".join(items_for_result(cl, row, None)) for row in cl.result_list]
        assert [line for (line,) in cl.lines] == theirs
    assert theirs or query
