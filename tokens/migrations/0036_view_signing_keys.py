"""Let the groups of staff and auditors see the signing keys."""

from django.apps import apps as live_apps
from django.contrib.auth.management import create_permissions
from django.db import migrations

GROUPS = ("Token staff", "Token auditors")


def let_groups_view(apps, schema_editor):
    """Give the permission to the groups that are still there.

    Django creates permissions after the last migration, which is too late.
    """
    using = schema_editor.connection.alias
    create_permissions(live_apps.get_app_config("tokens"), verbosity=0, using=using)
    permission = _view_signing_key(apps, using).get()
    for group in apps.get_model("auth", "Group").objects.using(using).filter(name__in=GROUPS):
        group.permissions.add(permission)


def delete_permission(apps, schema_editor):
    """Delete the permission, also from the groups and accounts that have it."""
    _view_signing_key(apps, schema_editor.connection.alias).delete()


def _view_signing_key(apps, using):
    permissions = apps.get_model("auth", "Permission").objects.using(using)
    return permissions.filter(content_type__app_label="tokens", codename="view_signingkey")


class Migration(migrations.Migration):
    dependencies = [("tokens", "0035_signing_keys")]

    operations = [migrations.RunPython(let_groups_view, delete_permission)]
