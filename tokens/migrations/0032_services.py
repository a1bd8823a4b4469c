"""Let services authenticate with a name and a secret."""

import tokens.db.clock
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('tokens', '0031_revocation_targets'),
    ]

    operations = [
        migrations.CreateModel(
            name='Service',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=64, unique=True, verbose_name='name')),
                ('digest', models.CharField(max_length=64)),
                ('may_introspect', models.BooleanField(default=False, verbose_name='may introspect tokens')),
                ('may_read_feed', models.BooleanField(default=False, verbose_name='may read the revocation feed')),
                ('created_at', models.DateTimeField(default=tokens.db.clock.now, verbose_name='added')),
                ('rotated_at', models.DateTimeField(null=True, verbose_name='secret rotated')),
                ('last_call_at', models.DateTimeField(null=True, verbose_name='last call')),
                ('confirmed_at', models.DateTimeField(null=True, verbose_name='feed read up to')),
            ],
            options={
                'verbose_name': 'service',
                'verbose_name_plural': 'services',
                'permissions': [('manage_service', 'Can add, rotate and remove services')],
                'default_permissions': (),
            },
        ),
    ]
