"""`rotate_signing_key` edits .env and keeps what else is in it."""

from io import StringIO

import dotenv
import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from portal.management.commands.rotate_signing_key import on_one_line
from tokens.audit.seal import seal_events
from tokens.audit.trusted_seals import newest_seal
from tokens.audit.verify import compare
from tokens.jwt.algorithms import ALGORITHMS
from tokens.sessions.issue import open_session

pytestmark = pytest.mark.django_db


def rotate(file, **options):
    out = StringIO()
    call_command("rotate_signing_key", file=str(file), stdout=out, **options)
    return out.getvalue()


def test_keys_in_the_database_are_not_rotated_in_a_file(settings, tmp_path):
    settings.SIGNING_KEYS = "database"
    with pytest.raises(CommandError, match="use manage"):
        rotate(tmp_path / "env")


def test_key_on_several_lines_is_replaced_as_a_whole(settings, tmp_path):
    old = ALGORITHMS["ES256"].generate()
    settings.JWT_SIGNING_KEY = old
    settings.SIMPLE_JWT = {**settings.SIMPLE_JWT, "ALGORITHM": "ES256"}
    file = tmp_path / "env"
    file.write_text(f'# a comment\nDEBUG=off\nJWT_SIGNING_KEY="{old}"\nHTTPS=off\n')
    rotate(file)
    text = file.read_text()
    assert text.startswith("# a comment\nDEBUG=off\nJWT_SIGNING_KEY=")
    assert text.count("BEGIN PRIVATE KEY") == 2
    values = dotenv.dotenv_values(file, interpolate=False)
    assert values["HTTPS"] == "off"
    assert values["JWT_RETIRED_KEYS"] == on_one_line(old)
    assert values["JWT_SIGNING_KEY"] != on_one_line(old)


def test_retired_keys_beyond_keep_are_removed(settings, tmp_path):
    settings.JWT_SIGNING_KEY = current = "c" * 64
    settings.JWT_RETIRED_KEYS = ["a" * 64, "b" * 64]
    file = tmp_path / "env"
    file.write_text(f"JWT_SIGNING_KEY={current}\n")
    rotate(file, keep=2)
    values = dotenv.dotenv_values(file, interpolate=False)
    assert values["JWT_RETIRED_KEYS"] == f"{current},{'a' * 64}"


@pytest.mark.parametrize(
    ("keep", "said"), [(0, "are refused after the restart"), (1, "still verifies")]
)
def test_last_line_says_whether_tokens_of_the_old_key_are_refused(settings, tmp_path, keep, said):
    settings.JWT_SIGNING_KEY = current = "c" * 64
    file = tmp_path / "env"
    file.write_text(f"JWT_SIGNING_KEY={current}\n")
    assert ("Would retire" in rotate(file, keep=keep, dry_run=True)) is bool(keep)
    assert said in rotate(file, keep=keep)


def test_dry_run_changes_no_file(tmp_path):
    file = tmp_path / "env"
    file.write_text(text := f"JWT_SIGNING_KEY={'k' * 64}\n")
    rotate(file, dry_run=True)
    assert file.read_text() == text


def test_missing_file_is_reported(tmp_path):
    with pytest.raises(CommandError, match="No such file"):
        rotate(tmp_path / "none")


@pytest.mark.parametrize("end", ["", "\n"])
def test_seals_of_a_rotated_pem_key_still_verify(settings, tmp_path, alice, end):
    old = ALGORITHMS["ES256"].generate().strip() + end
    settings.SIMPLE_JWT = {**settings.SIMPLE_JWT, "ALGORITHM": "ES256"}
    settings.JWT_SIGNING_KEY = old
    open_session(user=alice)
    assert list(seal_events(last=newest_seal()))
    file = tmp_path / "env"
    file.write_text(f'JWT_SIGNING_KEY="{old}"\n')
    rotate(file)
    values = dotenv.dotenv_values(file, interpolate=False)
    settings.JWT_SIGNING_KEY = values["JWT_SIGNING_KEY"].replace("\\n", "\n")
    settings.JWT_RETIRED_KEYS = [values["JWT_RETIRED_KEYS"]]
    assert [found.number for found in compare()] == [1]
