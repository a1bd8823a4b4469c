"""The commands in the documentation exist, with the options that it gives them."""

import re
import shlex
import subprocess
from argparse import _SubParsersAction

import pytest
from django.core.management import get_commands, load_command_class

from tests.docs.markdown import (
    command_lines,
    documents,
    fences,
    first_column,
    spans,
    text_of,
)
from tests.support.words import ROOT
from tokens.jwt.strength import is_weak

MANAGE = re.compile(r"manage\.py ([a-z_]+)([^|;&)]*)")
OWN_COMMANDS = sorted(name for name, app in get_commands().items() if app in ("tokens", "portal"))
ALL_LINES = [(path, line) for path in documents() for line in command_lines(text_of(path))]
MANAGE_LINES = sorted(
    {(str(path), *found.groups()) for path, line in ALL_LINES for found in MANAGE.finditer(line)}
)
MODULES = sorted(
    {
        (module, options)
        for _, line in ALL_LINES
        for module, options in re.findall(r"python -m ((?:bench|tests)[\w.]*)([^|;&]*)", line)
    }
)


def parser_of(name):
    app = get_commands()[name]
    return load_command_class(app, name).create_parser("manage.py", name)


def options_of(parser):
    """Return the options of a parser, and of the parsers of its acts."""
    known = {option for action in parser._actions for option in action.option_strings}
    acts = [action for action in parser._actions if isinstance(action, _SubParsersAction)]
    return known.union(*(options_of(own) for action in acts for own in action.choices.values()))


@pytest.mark.parametrize(("document", "name", "arguments"), MANAGE_LINES)
def test_management_command_in_the_docs_can_be_parsed(document, name, arguments):
    assert name in get_commands(), document
    if words := shlex.split(arguments.replace("…", "")):
        parser_of(name).parse_args(words)


def test_every_option_in_the_docs_belongs_to_a_command():
    known = {option for name in OWN_COMMANDS for option in options_of(parser_of(name))}
    for path in documents():
        named = {span.split()[0] for span in spans(text_of(path)) if span.startswith("--")}
        assert named <= known, path


def test_readme_lists_every_command_of_the_app():
    names = {name for cell in first_column(text_of("README.md")) for name in spans(cell)}
    assert set(OWN_COMMANDS) <= names


@pytest.mark.parametrize("name", OWN_COMMANDS)
def test_help_text_of_a_command_has_whole_sentences(name):
    command = load_command_class(get_commands()[name], name)
    assert re.fullmatch(r"[A-Z].*\.", command.help)
    for action in parser_of(name)._actions:
        assert action.help or action.required, (name, action.dest)


def test_make_targets_in_the_docs_exist():
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for path, line in ALL_LINES:
        if found := re.match(r"make((?: [a-z]+)+)", line):
            assert set(found[1].split()) <= targets, path


def test_every_make_target_has_a_help_text():
    text = (ROOT / "Makefile").read_text()
    phony = set(" ".join(re.findall(r"^\.PHONY: (.*)", text, re.MULTILINE)).split())
    assert set(re.findall(r"^([a-z]+):.*## [A-Z]", text, re.MULTILINE)) == phony


@pytest.mark.parametrize(("module", "options"), MODULES)
def test_module_in_the_docs_exists_and_knows_its_options(module, options):
    path = ROOT / module.replace(".", "/")
    file = path / "__main__.py" if path.is_dir() else path.with_suffix(".py")
    source = file.read_text()
    for option in re.findall(r"--[a-z-]+", options):
        assert f'"{option}"' in source


@pytest.mark.parametrize("path", documents(), ids=str)
def test_shell_blocks_have_valid_syntax(path):
    for block in fences(text_of(path), "sh"):
        subprocess.run(["bash", "-n"], input=block, text=True, check=True)


# Each line of a shell block is run by the test that is named here, or not run for the reason.
LINES = {
    "docs/keys.md": {".*manage.py signing_keys .*": "tests/keyring/test_acts.py"},
    "docs/second-factors.md": {".*manage.py reset_factors .*": "tests/staff/test_factors.py"},
    "docs/services.md": {".*manage.py services add .*": "tests/services/test_credentials.py"},
    "README.md": {
        "make run": "tests/management/test_quickstart.py",
        r"(?s).*": "tests/management/test_readme_walk.py runs the walk",
    },
    "CONTRIBUTING.md": {"make .*": "installs tools, or runs the tests: .ci/run"},
    "docs/adding.md": {"(pip|python manage.py) .*": "tests/adoption/host.py"},
    "docs/deploying.md": {
        "python3 -c .*": "the test below runs it",
        "make install|git pull": "needs a package index, or another revision",
        ".venv/bin/python manage.py (migrate|collectstatic .*)": "quickstart runs the same two",
        ".venv/bin/python manage.py createsuperuser": "Django's own, and asks",
        "(cp|nginx|haproxy) .*": "tests/deploy/test_artefacts.py checks the files",
        "(useradd|chmod|systemctl) .*": "changes the machine; test_artefacts.py checks the units",
        "DATABASE_URL=.*": "tests/deploy/test_databases.py connects to such hosts",
        "psql .*timeouts.sql": "tests/deploy/test_pgbouncer.py",
        "curl .*": "tests/deploy/test_rolling.py waits for the same",
        "(podman|cd) .*": "needs a container engine; test_artefacts.py checks the files",
    },
    "docs/operating.md": {
        "systemctl .*": "changes the machine; tests/deploy/test_rolling.py does it with processes",
        "curl .*": "tests/deploy/test_rolling.py waits for the same",
    },
    "docs/releasing.md": {"(?s).*": "publishes; tests/docs/test_packaging.py builds and reads"},
}


@pytest.mark.parametrize("path", documents(), ids=str)
def test_each_line_of_a_shell_block_is_run_by_a_test_or_has_a_reason(path):
    known = LINES.get(str(path), {})
    lines = [
        line
        for block in fences(text_of(path), "sh")
        for line in block.replace("\\\n", " ").splitlines()
        if line.strip() and not line.startswith("#")
    ]
    unknown = [line for line in lines if not any(re.fullmatch(one, line) for one in known)]
    assert unknown == []
    unused = [one for one in known if not any(re.fullmatch(one, line) for line in lines)]
    assert unused == []


def test_line_that_makes_a_secret_makes_a_strong_one():
    (line,) = (line for line in fences(text_of("docs/deploying.md"), "sh") if "secrets" in line)
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=True)
    assert not is_weak(done.stdout.strip())
