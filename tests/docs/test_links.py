"""Links and file names in the documentation lead somewhere."""

import re

import pytest

from tests.docs.markdown import LINK, documents, spans, text_of
from tests.support.words import ROOT, tracked_files

PATH = re.compile(r"(?:tokens|portal|tests|bench|docs|requirements|templates|static)/[\w./-]+\.\w+")


def anchors(path):
    """Return the anchors of a document's headings, as GitHub makes them."""
    titles = re.findall(r"^#+ (.*)", path.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("path", documents(), ids=str)
def test_every_link_leads_to_a_file_and_a_heading(path):
    for target in LINK.findall(text_of(path)):
        if target.startswith(("http:", "https:")):
            continue
        name, _, anchor = target.partition("#")
        file = (ROOT / path).parent / name if name else ROOT / path
        assert file.exists(), target
        assert not anchor or anchor in anchors(file), target


@pytest.mark.parametrize("path", documents(), ids=str)
def test_every_file_named_in_a_document_exists(path):
    files = {tracked.as_posix() for tracked in tracked_files()}
    named = {name for span in spans(text_of(path)) for name in PATH.findall(span)}
    assert {name for name in named if name not in files} == set()


def test_every_guide_is_linked_from_the_readme():
    linked = {target.partition("#")[0] for target in LINK.findall(text_of("README.md"))}
    guides = {path.as_posix() for path in documents()} - {"README.md", "SECURITY.md"}
    assert guides <= linked
