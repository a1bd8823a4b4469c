"""Find the events of a request by its id. Refreshes, which are most events, are left out."""

from importlib import import_module

from django.db import migrations, models

AddIndexGently = import_module("tokens.migrations.0011_list_indexes").AddIndexGently


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
