"""Tokens, sessions, cut-offs and events in Django's admin; simplejwt's two admins are replaced,
and the project's own user admin, whatever it is, gains a part about tokens.

Everybody else's admin is loaded first, so that ours goes on top of what they registered, in
whichever order the apps are installed.
"""

from importlib import import_module

from django.apps import apps
from django.contrib import admin
from django.contrib.auth import get_user_model
from django.utils.module_loading import module_has_submodule

from tokens.admin.login import StaffOnlyForm
from tokens.admin.outstanding import OutstandingTokenAdmin
from tokens.admin.sessions import SessionAdmin
from tokens.admin.trail import CutoffAdmin, EventAdmin
from tokens.admin.users import with_tokens
from tokens.models import BlacklistedToken, Cutoff, Event, OutstandingToken, Session


def _register() -> None:
    # A site with a form of its own keeps it.
    admin.site.login_form = admin.site.login_form or StaffOnlyForm
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
    user = get_user_model()
    if admin.site.is_registered(user):
        theirs = type(admin.site.get_model_admin(user))
        admin.site.unregister(user)
        admin.site.register(user, with_tokens(theirs))


_register()
