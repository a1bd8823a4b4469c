"""Add the table that lists revoked sessions, which replaces an index. The model explains why."""

import django.db.models.deletion
from django.db import migrations, models


def note(apps, schema_editor):
    schema_editor.execute(
        "INSERT INTO tokens_revokedsession (session_id) SELECT id FROM tokens_session"
        " WHERE revoked_at IS NOT NULL ORDER BY revoked_at, id"
    )


class Migration(migrations.Migration):
    dependencies = [("tokens", "0015_fewer_session_indexes")]

    operations = [
        migrations.CreateModel(
            name="RevokedSession",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "session",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="revocations",
                        to="tokens.session",
                    ),
                ),
            ],
            options={"default_permissions": ()},
        ),
        migrations.RunPython(note, migrations.RunPython.noop),
    ]
