"""Find the events of a request by its id. Refreshes, which are most events, are left out."""

from django.db import migrations, models

from tokens.db.operations import AddIndexGently


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("tokens", "0027_refusals")]

    operations = [
        AddIndexGently(
            "event",
            models.Index(
                fields=["request_id"],
                name="tokens_event_request",
                condition=models.Q(
                    models.Q(("request_id", ""), _negated=True),
                    models.Q(("kind", "refresh"), _negated=True),
                ),
            ),
        ),
    ]
