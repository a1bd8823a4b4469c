from django.db import migrations

from tokens.audit import guards


def install(apps, schema_editor):
    guards.install(schema_editor.connection)


def drop(apps, schema_editor):
    guards.drop(schema_editor.connection)


class Migration(migrations.Migration):
    dependencies = [("tokens", "0003_seal_rollup_reader")]

    operations = [migrations.RunPython(install, drop)]
