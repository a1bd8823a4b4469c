from django.db import migrations, models
from django.db.models import F, OuterRef, Subquery

BATCH = 5000


def backfill(apps, schema_editor):
    """Fill the new column in batches. Each batch commits, so that the table stays writable."""
    Session = apps.get_model("tokens", "Session")
    Token = apps.get_model("token_blacklist", "OutstandingToken")
    rows = Session.objects.using(schema_editor.connection.alias).filter(
        ends_at=None, current__isnull=False
    )
    while keys := list(rows.values_list("pk", flat=True)[:BATCH]):
        ends = Token.objects.filter(pk=OuterRef("current_id")).values("expires_at")
        Session.objects.using(schema_editor.connection.alias).filter(pk__in=keys).update(
            ends_at=Subquery(ends)
        )
    # The current token was purged, so it had expired.
    Session.objects.using(schema_editor.connection.alias).filter(ends_at=None).update(
        ends_at=F("last_used_at")
    )


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("tokens", "0004_guards"),
        ("token_blacklist", "0012_alter_outstandingtoken_user"),
    ]

    operations = [
        migrations.AddField(
            "session",
            "ends_at",
            models.DateTimeField(null=True, verbose_name="ends unless used"),
        ),
        migrations.RunPython(backfill, migrations.RunPython.noop),
    ]
