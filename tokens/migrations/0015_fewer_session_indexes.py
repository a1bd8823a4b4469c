"""Drop three indexes on sessions that no query needs.

``tokens_session_mine`` serves queries that begin with the user, and ``tokens_session_opened``
serves queries for sessions that were opened before an instant. At a million sessions the three take
68 MB, and every refresh wrote into each of them.
"""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

from tokens.db.operations import RemoveIndexGently


def drop_own_index(apps, schema_editor):
    """Drop the index of the foreign key, under the name that Django gave it."""
    connection = schema_editor.connection
    with connection.cursor() as cursor:
        known = connection.introspection.get_constraints(cursor, "tokens_session")
    how = "CONCURRENTLY " if connection.vendor == "postgresql" else ""
    for name, one in known.items():
        if one["columns"] == ["user_id"] and one["index"] and not one["unique"]:
            schema_editor.execute(f'DROP INDEX {how}IF EXISTS "{name}"')


def make_own_index(apps, schema_editor):
    model = apps.get_model("tokens", "Session")
    index = models.Index(fields=["user"], name="tokens_session_user_id")
    concurrently = {"concurrently": True} if schema_editor.connection.vendor == "postgresql" else {}
    schema_editor.add_index(model, index, **concurrently)


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("tokens", "0014_event_kind_index"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        RemoveIndexGently("session", "tokens_session_user"),
        RemoveIndexGently("session", "tokens_session_live"),
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.AlterField(
                    "session",
                    "user",
                    models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="token_sessions",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="user",
                    ),
                ),
            ],
            database_operations=[migrations.RunPython(drop_own_index, make_own_index)],
        ),
    ]
