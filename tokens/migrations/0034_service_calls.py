"""Count the calls of services, and let the groups of staff and auditors see the services."""

from django.apps import apps as live_apps
from django.contrib.auth.management import create_permissions
from django.db import migrations, models

GROUPS = ("Token staff", "Token auditors")


def let_groups_view(apps, schema_editor):
    """Give the permission to the groups that are still there.

    Django creates permissions after the last migration, which is too late.
    """
    using = schema_editor.connection.alias
    create_permissions(live_apps.get_app_config("tokens"), verbosity=0, using=using)
    permission = _view_service(apps, using).get()
    for group in apps.get_model("auth", "Group").objects.using(using).filter(name__in=GROUPS):
        group.permissions.add(permission)


def delete_permission(apps, schema_editor):
    """Delete the permission, also from the groups and accounts that have it."""
    _view_service(apps, schema_editor.connection.alias).delete()


def _view_service(apps, using):
    permissions = apps.get_model("auth", "Permission").objects.using(using)
    return permissions.filter(content_type__app_label="tokens", codename="view_service")


class Migration(migrations.Migration):
    dependencies = [("tokens", "0033_revocation_feed")]

    operations = [
        migrations.AddField(
            model_name="service",
            name="calls",
            field=models.PositiveBigIntegerField(db_default=0, default=0, verbose_name="calls"),
        ),
        migrations.AlterModelOptions(
            name="service",
            options={
                "default_permissions": ("view",),
                "permissions": [("manage_service", "Can add, rotate and remove services")],
                "verbose_name": "service",
                "verbose_name_plural": "services",
            },
        ),
        migrations.RunPython(let_groups_view, delete_permission),
    ]
