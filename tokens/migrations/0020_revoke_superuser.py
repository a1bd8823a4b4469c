"""Declare the permission to revoke the sessions of superusers.

Only the row of the permission is new. Django creates it after the migration.
"""

from django.db import migrations


class Migration(migrations.Migration):
    """Change the state only."""

    dependencies = [("tokens", "0019_cutoff_names")]

    operations = [
        migrations.AlterModelOptions(
            "session",
            options={
                "default_permissions": ("view",),
                "permissions": [
                    ("revoke_token", "Can revoke tokens, sessions and all tokens of a user"),
                    ("revoke_superuser", "Can revoke the sessions of superusers"),
                    ("inspect_token", "Can inspect a pasted token"),
                    ("introspect_token", "Can introspect tokens through the API (RFC 7662)"),
                ],
                "verbose_name": "session",
                "verbose_name_plural": "sessions",
            },
        )
    ]
