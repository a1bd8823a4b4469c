from django.db import migrations

from tokens.audit import guards


def install(apps, schema_editor):
    guards.install(schema_editor.connection)


def remove(apps, schema_editor):
    guards.remove(schema_editor.connection)


class Migration(migrations.Migration):
    dependencies = [("tokens", "0003_seal_rollup_reader")]

    operations = [migrations.RunPython(install, remove)]
