from django.apps import apps as live_apps
from django.contrib.auth.management import create_permissions
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
    """Permissions are made after the last migration, which is too late for a group that wants
    them; making them twice is harmless."""
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


class Migration(migrations.Migration):
    dependencies = [
        ("tokens", "0001_initial"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]

    operations = [migrations.RunPython(make_groups, migrations.RunPython.noop)]
