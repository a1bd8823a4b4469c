"""Keep filtered lists under a name."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('tokens', '0029_database_clock'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='SavedView',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('list_name', models.CharField(max_length=20, verbose_name='list')),
                ('name', models.CharField(max_length=60, verbose_name='name')),
                ('filters', models.JSONField(verbose_name='filters')),
                ('shared', models.BooleanField(default=False, verbose_name='shared')),
                ('created_at', models.DateTimeField(verbose_name='created')),
                ('owner', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='owner')),
            ],
            options={
                'verbose_name': 'saved view',
                'verbose_name_plural': 'saved views',
                'default_permissions': ('delete',),
                'indexes': [models.Index(condition=models.Q(('shared', True)), fields=['list_name'], name='tokens_view_shared')],
                'constraints': [models.UniqueConstraint(fields=('owner', 'list_name', 'name'), name='tokens_view_name')],
            },
        ),
    ]
