from django.apps import apps as live_apps
from django.contrib.auth.management import create_permissions
from django.contrib.contenttypes.models import ContentType as CurrentContentType
from django.db import migrations

VIEW = [
    "token_blacklist.view_outstandingtoken",
    "token_blacklist.view_blacklistedtoken",
    "tokens.view_session",
    "tokens.view_cutoff",
]
GROUPS = {
    "Token staff": [*VIEW, "tokens.revoke_token", "tokens.inspect_token", "tokens.view_event"],
    "Token auditors": [*VIEW, "tokens.view_event", "tokens.export_event"],
}


def make_groups(apps, schema_editor):
    """Create the groups and give them their permissions.

    Django creates permissions after the last migration, which is too late for these groups. They
    are therefore created here; creating them again later is harmless.
    """
    using = schema_editor.connection.alias
    for label in ("contenttypes", "auth", "token_blacklist", "tokens"):
        create_permissions(live_apps.get_app_config(label), verbosity=0, using=using)
    Permission = apps.get_model("auth", "Permission")
    Group = apps.get_model("auth", "Group")
    for name, wanted in GROUPS.items():
        group, _ = Group.objects.using(using).get_or_create(name=name)
        for permission in wanted:
            label, codename = permission.split(".")
            group.permissions.add(
                Permission.objects.using(using).get(
                    content_type__app_label=label, codename=codename
                )
            )


def remove_groups(apps, schema_editor):
    """Remove the app's content types and permissions, and the groups.

    A group stays if the project has given it permissions of its own.
    """
    using = schema_editor.connection.alias
    given = {name for wanted in GROUPS.values() for name in wanted}
    for group in apps.get_model("auth", "Group").objects.using(using).filter(name__in=GROUPS):
        has = group.permissions.values_list("content_type__app_label", "codename")
        if {f"{label}.{codename}" for label, codename in has} <= given:
            group.delete()
    ContentType = apps.get_model("contenttypes", "ContentType")
    ContentType.objects.using(using).filter(app_label="tokens").delete()
    CurrentContentType.objects.clear_cache()


class Migration(migrations.Migration):
    dependencies = [
        ("tokens", "0001_initial"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]

    operations = [migrations.RunPython(make_groups, remove_groups)]
