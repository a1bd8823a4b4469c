"""Let a revocation on PostgreSQL update a session without writing into any of its indexes.

No index covers the columns that a revocation changes, and the fill factor keeps room for the new
row version in the same page. Pages that are already full get that room as sessions are refreshed,
or at once by VACUUM FULL.
"""

from django.db import migrations, models

from tokens.db.operations import AddIndexGently, RemoveIndexGently


def keep_room(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute("ALTER TABLE tokens_session SET (fillfactor = 80)")


def fill_up(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute("ALTER TABLE tokens_session RESET (fillfactor)")


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("tokens", "0016_revoked_sessions")]

    operations = [
        AddIndexGently(
            "session", models.Index(fields=["-ends_at", "-id"], name="tokens_session_until")
        ),
        RemoveIndexGently("session", "tokens_session_ends"),
        RemoveIndexGently("session", "tokens_session_revoked"),
        migrations.RunPython(keep_room, fill_up),
    ]
