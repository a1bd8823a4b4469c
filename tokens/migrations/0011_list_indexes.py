"""Add the indexes that the lists walk, so that no list scans or sorts a big table.

On PostgreSQL the indexes are built concurrently, so the tables stay writable. The migration can be
interrupted and run again; it drops and rebuilds an index that an interruption left invalid.
"""

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import migrations, models

from tokens.db.operations import AddIndexGently, is_valid_index, without_limits

TOKENS = "token_blacklist_outstandingtoken"


def elsewhere(name, columns, table=TOKENS):
    """Add an index to a table of another app, whose models do not declare it.

    ``columns`` is SQL, or a function of the database vendor that returns SQL. ``table`` is a table
    name, or a function that returns one, for a model that can be swapped.
    """

    def make(apps, schema_editor):
        vendor = schema_editor.connection.vendor
        target = table() if callable(table) else table
        what = columns(vendor) if callable(columns) else columns
        if not target or not what:
            return
        how = "CONCURRENTLY " if vendor == "postgresql" else ""
        with without_limits(schema_editor):
            if vendor == "postgresql" and is_valid_index(schema_editor, name):
                return
            schema_editor.execute(
                f'CREATE INDEX {how}IF NOT EXISTS "{name}" ON "{target}" ({what})'
            )

    def drop(apps, schema_editor):
        how = "CONCURRENTLY " if schema_editor.connection.vendor == "postgresql" else ""
        schema_editor.execute(f'DROP INDEX {how}IF EXISTS "{name}"')

    return migrations.RunPython(make, drop)


def users():
    return get_user_model()._meta.db_table


def lower(attribute):
    """Index a column for case-insensitive prefix searches.

    On PostgreSQL, LIKE needs the pattern operators.
    """

    def columns(vendor):
        model = get_user_model()
        name = getattr(model, attribute, "")
        if name not in {field.name for field in model._meta.get_fields()}:
            return ""
        column = model._meta.get_field(name).column
        pattern = " text_pattern_ops" if vendor == "postgresql" else ""
        return f'(LOWER("{column}")){pattern}'

    return columns


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("tokens", "0010_session_ends_at"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    # Sizes on PostgreSQL at ten million tokens of a million sessions and 800,000 users.
    operations = [
        # The tokens of one user, newest first, without sorting 50,000 rows: 301 MB.
        elsewhere("tokens_outstanding_user", '"user_id", "id"'),
        # "Issued between": 300 MB.
        elsewhere("tokens_outstanding_issued", '"created_at", "id"'),
        # "Expires between", and the purge of what has expired: 300 MB.
        elsewhere("tokens_outstanding_expires", '"expires_at", "id"'),
        # Search by the start of a user name or an e-mail, in either case: 24 and 31 MB.
        elsewhere("tokens_user_login", lower("USERNAME_FIELD"), users),
        elsewhere("tokens_user_email", lower("EMAIL_FIELD"), users),
        AddIndexGently(
            "session",
            models.Index(
                fields=["-ends_at", "-id"],
                name="tokens_session_ends",
                condition=models.Q(("revoked_at", None)),
            ),
        ),
        AddIndexGently(
            "session",
            models.Index(
                fields=["-revoked_at", "-id"],
                name="tokens_session_revoked",
                condition=models.Q(("revoked_at__isnull", False)),
            ),
        ),
        AddIndexGently(
            "session",
            models.Index(fields=["-created_at", "-id"], name="tokens_session_opened"),
        ),
        AddIndexGently(
            "session",
            models.Index(
                fields=["client", "-last_used_at"],
                name="tokens_session_client",
                condition=models.Q(("client", ""), _negated=True),
            ),
        ),
        AddIndexGently(
            "session",
            models.Index(fields=["user", "-last_used_at", "-id"], name="tokens_session_mine"),
        ),
    ]
