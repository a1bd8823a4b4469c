"""Register tokens, sessions, cutoffs, services, keys and events in Django's admin.

The two admins of simplejwt's blacklist app are replaced. With `ADMIN_USER_SECTION`, the
project's user admin gains a section about tokens. The admins of all other apps are imported first,
so the order of the installed apps doesn't matter.
"""

from importlib import import_module

from django.apps import apps
from django.contrib import admin
from django.contrib.auth import get_user_model
from django.utils.module_loading import module_has_submodule

from tokens.admin.keys import SigningKeyAdmin
from tokens.admin.login import StaffOnlyForm
from tokens.admin.outstanding import OutstandingTokenAdmin
from tokens.admin.services import ServiceAdmin
from tokens.admin.sessions import SessionAdmin
from tokens.admin.trail import CutoffAdmin, EventAdmin
from tokens.admin.users import with_tokens
from tokens.conf import app_settings
from tokens.models import (
    BlacklistedToken,
    Cutoff,
    Event,
    OutstandingToken,
    Service,
    Session,
    SigningKey,
)


def _register() -> None:
    for config in apps.get_app_configs():
        if (
            config.module
            and config.name != "tokens"
            and module_has_submodule(config.module, "admin")
        ):
            import_module(f"{config.name}.admin")
    for model in (OutstandingToken, BlacklistedToken):
        if admin.site.is_registered(model):
            admin.site.unregister(model)
    admin.site.register(OutstandingToken, OutstandingTokenAdmin)
    admin.site.register(Session, SessionAdmin)
    admin.site.register(Cutoff, CutoffAdmin)
    admin.site.register(Event, EventAdmin)
    admin.site.register(Service, ServiceAdmin)
    admin.site.register(SigningKey, SigningKeyAdmin)
    if not app_settings.ADMIN_USER_SECTION:
        return
    # A site that sets its own login form keeps it.
    admin.site.login_form = admin.site.login_form or StaffOnlyForm
    user = get_user_model()
    if admin.site.is_registered(user):
        theirs = type(admin.site.get_model_admin(user))
        admin.site.unregister(user)
        admin.site.register(user, with_tokens(theirs))


_register()
