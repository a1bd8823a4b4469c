from django.apps import AppConfig
from django.db.models.signals import post_migrate


class TokensConfig(AppConfig):
    name = "tokens"
    verbose_name = "Token Portal"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from tokens import checks, signals  # noqa: F401  (registers both)
        from tokens.audit import guards

        post_migrate.connect(guards.after_migrate, sender=self)
