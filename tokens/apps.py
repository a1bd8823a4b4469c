"""Configure the app."""

from django.apps import AppConfig
from django.core.checks import CheckMessage, register
from django.db.models.signals import post_migrate, pre_migrate
from django.utils.translation import gettext_lazy


class TokensConfig(AppConfig):
    """Register checks, receivers and the database's guards, and take simplejwt's classes over."""

    name = "tokens"
    verbose_name = gettext_lazy("Tokens")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Connect what Django imports only by name."""
        from tokens import checks, signals  # noqa: F401  (registers both)
        from tokens.accounts.upgrades import watch_upgrades
        from tokens.audit import guards
        from tokens.conf import app_settings
        from tokens.db import revocation_feed, session_origins
        from tokens.jwt.keys import KeySource, follow
        from tokens.keyring import checks as _ring_checks  # noqa: F401  (registers them)
        from tokens.keyring.following import database_ring
        from tokens.models.simplejwt import read_any_row
        from tokens.revocation import deactivation

        read_any_row()
        if app_settings.TAKE_OVER_FOR_USER:
            from tokens.simplejwt.take_over import take_over

            take_over()
        follow(KeySource(database_ring.ring, database_ring.ring_with))
        watch_upgrades()
        register(_check_project, "tokens_project")
        post_migrate.connect(guards.after_migrate, sender=self)
        pre_migrate.connect(deactivation.before_migrate, sender=self)
        post_migrate.connect(deactivation.after_migrate, sender=self)
        pre_migrate.connect(session_origins.before_migrate, sender=self)
        post_migrate.connect(session_origins.after_migrate, sender=self)
        pre_migrate.connect(revocation_feed.before_migrate, sender=self)
        post_migrate.connect(revocation_feed.after_migrate, sender=self)
        post_migrate.connect(_convert_browser_sessions, sender=self)


def _check_project(**_: object) -> list[CheckMessage]:
    # Imports REST framework's views, and with them classes of the project.
    from tokens.project_checks import check_project

    return check_project()


def _convert_browser_sessions(*, using: str, **_: object) -> None:
    from tokens.web.session_store import convert_rows

    convert_rows(using=using)
