"""List what a revocation job by filter ends."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('tokens', '0030_saved_views'),
    ]

    operations = [
        migrations.AddField(
            model_name='revocationjob',
            name='listed',
            field=models.PositiveBigIntegerField(null=True),
        ),
        migrations.AddField(
            model_name='revocationjob',
            name='position',
            field=models.PositiveBigIntegerField(db_default=0, default=0),
        ),
        migrations.CreateModel(
            name='RevocationTarget',
            fields=[
                ('pk', models.CompositePrimaryKey('job_id', 'number', blank=True, editable=False, primary_key=True, serialize=False)),
                ('number', models.PositiveBigIntegerField()),
                ('session_id', models.UUIDField(null=True)),
                ('token_id', models.BigIntegerField(null=True)),
                ('job', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='targets', to='tokens.revocationjob')),
            ],
            options={
                'default_permissions': (),
            },
        ),
    ]
