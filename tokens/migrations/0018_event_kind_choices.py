"""Read the choices of `Event.kind` from a function, so that a new kind needs no migration.

Choices are not part of the database: this changes no table.
"""

from django.db import migrations, models

import tokens.models.kinds


class Migration(migrations.Migration):
    """Change the state only."""

    dependencies = [("tokens", "0017_heap_only_revocations")]

    operations = [
        migrations.AlterField(
            "event",
            "kind",
            models.CharField(
                choices=tokens.models.kinds.kind_choices, max_length=24, verbose_name="kind"
            ),
        )
    ]
