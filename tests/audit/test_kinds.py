"""One table says everything about the event kinds."""

import ast
import re
from pathlib import Path

import pytest

from tokens.audit.delivery.caep import build_claims
from tokens.audit.serializers import row_of, to_ecs
from tokens.models import Event, Kind
from tokens.models.kinds import UNKNOWN

ROOT = Path(__file__).resolve().parents[2]
TABLE = ROOT / "tokens/models/kinds.py"
# Elastic Common Schema 8.17: the allowed event types of each category that events use.
ECS_TYPES = {
    "authentication": {"start", "end", "info"},
    "session": {"start", "end", "info"},
    "iam": {"admin", "change", "creation", "deletion", "group", "info", "user"},
    "configuration": {"access", "change", "creation", "deletion", "info"},
}
each_kind = pytest.mark.parametrize("kind", Kind)


@each_kind
def test_each_event_kind_has_traits_and_a_label_of_its_own(kind):
    assert kind.traits is not UNKNOWN
    assert len(kind.value) <= (Event._meta.get_field("kind").max_length or 0)
    assert [str(other.label) for other in Kind].count(str(kind.label)) == 1


@each_kind
def test_each_event_kind_has_an_ecs_form_with_allowed_values(kind):
    event = to_ecs(row_of(Event(pk=1, kind=kind)))["event"]
    assert event["action"] == kind.value
    assert event["category"]
    assert event["type"]
    allowed = set.union(*(ECS_TYPES[category] for category in event["category"]))
    assert set(event["type"]) <= allowed
    assert event["severity"] in range(1, 7)


@each_kind
def test_each_event_kind_has_a_caep_form_or_none(kind):
    """A form needs a session or a user, and its session if it ends only that one."""
    assert build_claims(Event(pk=1, kind=kind)) is None
    of_user = build_claims(Event(pk=1, kind=kind, subject_id=7))
    caep = kind.traits.caep
    assert (of_user is not None) == (caep is not None and not caep.one_session)


def test_an_event_of_an_unknown_kind_is_still_shown_and_exported():
    event = Event(pk=1, kind="from_a_later_release")
    assert event.get_kind_display() == "from_a_later_release"
    assert to_ecs(row_of(event))["event"]["outcome"] == "success"
    assert build_claims(event) is None


def test_no_other_module_enumerates_event_kinds():
    found = []
    for path in sorted((ROOT / "tokens").rglob("*.py")):
        if path == TABLE:
            continue
        nodes = [node for node in ast.walk(ast.parse(path.read_text())) if len(kinds_in(node)) > 1]
        found += [f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 0)}" for node in nodes]
    assert found == []


def kinds_in(node):
    """Return the kinds that a dict, set, list, tuple or match statement lists."""
    if isinstance(node, ast.Dict):
        parts = node.keys
    elif isinstance(node, ast.Set | ast.List | ast.Tuple):
        parts = node.elts
    elif isinstance(node, ast.Match):
        parts = [case.pattern.value for case in node.cases if hasattr(case.pattern, "value")]
    else:
        return set()
    return {
        part.attr
        for part in parts
        if isinstance(part, ast.Attribute) and ast.unparse(part.value).endswith("Kind")
    }


def test_no_template_compares_an_event_kind():
    for path in (ROOT / "templates").rglob("*.html"):
        assert not re.search(r"\.kind\s*(==|!=| in )", path.read_text()), path
