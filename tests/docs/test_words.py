"""The word list reads the prose of each kind of file, and nothing else."""

from pathlib import Path

import pytest

from tests.support.words import problems, tracked_files


def found(name, text):
    return list(problems(Path(name), text))


@pytest.mark.parametrize(
    ("name", "text", "line"),
    [
        ("tokens/a.py", "x = 1\n# asked aloud\n", 2),
        ("tokens/a.py", 'def f():\n    """Ask whom it concerns."""\n', 2),
        ("tokens/a.py", "def f():\n    raise ValueError('nobody knows')\n", 2),
        ("tests/a.py", "def test_nobody_logs_in(): ...\n", 1),
        ("tests/a.py", "class Besides: ...\n", 1),
        ("docs/a.md", "One\n\nThe table stands\nhere.\n", 3),
        ("docs/a.md", "```sh\nls\n# aloud\n```\n", 3),
        ("templates/a.html", "<p>\nof ours\n", 2),
        ("templates/a.html", '{% translate "by any road" %}', 1),
        ("static/a.css", "a {}\n/* an own\n   rule */\n", 2),
        ("static/a.js", "let a = 1; // meanwhile\n", 1),
        (
            "tokens/locale/de/LC_MESSAGES/django.po",
            'msgid "a"\nmsgstr ""\n\nmsgid "aloud"\nmsgstr ""\n',
            4,
        ),
        ("Makefile", "all:\n\t# said\n", 2),
    ],
)
def test_banned_word_in_prose_is_reported_with_its_line(name, text, line):
    assert [number for number, _ in found(name, text)] == [line]


@pytest.mark.parametrize("word", ["What", "Of", "Where", "Whether", "Who", "How", "That"])
def test_docstring_that_starts_with_a_question_word_is_reported(word):
    assert found("tests/a.py", f'"""{word} it is."""\n')


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("tests/a.py", "said = 'nobody'\n"),
        ("docs/a.md", "The `aloud` option and a block:\n\n```sh\necho aloud\n```\n"),
        ("docs/a.md", "Outstanding tokens, such as those of a session, are understandable.\n"),
        ("templates/a.html", "{% if nobody %}{{ whom }}{% endif %}"),
        ("static/a.js", "const said = 'http://whom';\n"),
        ("tokens/locale/de/LC_MESSAGES/django.po", 'msgid "Log in"\nmsgstr "aloud"\n'),
    ],
)
def test_identifiers_code_and_translations_are_not_reported(name, text):
    assert found(name, text) == []


def test_word_list_reads_every_tracked_file():
    assert {Path("README.md"), Path("tokens/apps.py")} <= set(tracked_files())
