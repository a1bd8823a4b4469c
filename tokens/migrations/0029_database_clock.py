"""Note that the database's clock gives these columns their value. No table changes."""

from django.db import migrations, models

from tokens.db import clock


class Migration(migrations.Migration):
    dependencies = [("tokens", "0028_event_request")]
    operations = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.AlterField(
                    "cutoff", "created_at", models.DateTimeField("created", default=clock.now)
                ),
                migrations.AlterField(
                    "event", "at", models.DateTimeField("when", default=clock.now)
                ),
                migrations.AlterField(
                    "seal", "sealed_at", models.DateTimeField("sealed", default=clock.now)
                ),
            ]
        )
    ]
