"""A token that is pasted into a search opens in the inspector, and is never in an address."""

import re

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import expect

from tests.support.browser.person import WAYS
from tests.support.tokens import failed, pair_of


@pytest.mark.parametrize("typed", ["{}", "Bearer {}"])
def test_token_in_the_search_box_opens_in_the_inspector(
    enter, sam: User, alice: User, typed
) -> None:
    token = pair_of(alice).access
    page = enter(sam, WAYS[0]).page
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto("/staff/tokens/")
    page.get_by_role("searchbox", name="Search tokens").fill(typed.format(token))
    page.wait_for_url(re.compile("/staff/inspect/$"))
    expect(page.get_by_text("Signature valid")).to_be_visible()
    assert not [address for address in asked if "eyJ" in address]


def test_token_in_the_search_box_without_scripts(enter, sam: User, alice: User) -> None:
    token = pair_of(alice).access
    way = next(way for way in WAYS if not way.scripts)
    page = enter(sam, way).page
    page.goto(f"/staff/tokens/?q={token}")
    expect(page.get_by_role("heading", name="This is a token")).to_be_visible()
    assert token.rpartition(".")[2] not in page.url + page.content()
    page.get_by_role("main").get_by_role("link", name="Inspect a token").click()
    expect(page.get_by_role("textbox", name="Token, log, diff or report")).to_be_visible()


DROP = """(field, text) => {
  const dataTransfer = new DataTransfer();
  dataTransfer.setData("text", text);
  const options = { bubbles: true, cancelable: true, dataTransfer };
  return field.dispatchEvent(new DragEvent("drop", options));
}"""


@pytest.mark.parametrize("how", ["typed", "dropped"])
def test_token_longer_than_a_search_is_inspected_whole(enter, sam: User, alice: User, how) -> None:
    token = pair_of(alice).refresh
    assert len(token) > 300
    page = enter(sam, WAYS[0]).page
    page.goto("/staff/tokens/")
    box = page.get_by_role("searchbox", name="Search tokens")
    if how == "typed":
        box.press_sequentially(token)
    else:
        assert box.evaluate(DROP, token) is False
    page.wait_for_url(re.compile("/staff/inspect/$"))
    expect(page.get_by_text("Signature valid")).to_be_visible()


@pytest.mark.parametrize("way", [WAYS[1], WAYS[2], WAYS[3]], ids=lambda way: way.name)
def test_tokens_of_a_log_are_revoked_with_one_review(enter, sam: User, alice: User, way) -> None:
    pairs = [pair_of(alice), pair_of(alice)]
    person = enter(sam, way)
    page = person.page
    person.open("/staff/inspect/")
    box = page.get_by_role("textbox", name="Token, log, diff or report")
    expect(box).to_be_focused()
    text = f"one {pairs[0].access},\nother={pairs[1].refresh}"
    if way.keys:
        page.keyboard.insert_text(text)
        page.keyboard.press("Control+Enter")
    else:
        box.fill(text)
        person.press(page.get_by_role("button", name="Validate"))
    expect(page.get_by_role("heading", name="2 tokens found")).to_be_visible()
    person.fits()
    person.press(page.get_by_role("button", name="Revoke all 2 sessions…"))
    expect(page.get_by_text("This revokes 2 sessions")).to_be_visible()
    person.tick(page.get_by_role("radio", name="suspected theft"))
    person.press(page.get_by_role("button", name="Revoke 2 sessions"))
    expect(page.get_by_text("Revoked 2 sessions of 1 person")).to_be_visible()
    assert {failed(pair.access) for pair in pairs} == {"revoked"}
    if way.scripts:
        expect(page.get_by_text("Revoked just now")).to_have_count(3)
        # What was true before is gone.
        for words in ("Accepted", "2 accepted, 0 refused", "active", "YOU ARE ALLOWED HERE"):
            expect(page.get_by_text(words, exact=True)).to_have_count(0)
    for token in (pairs[0].access, pairs[1].refresh):
        assert token.rpartition(".")[2] not in page.content() + page.url
