from django.urls import path
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from tokens.account import events, factors, notices, sessions
from tokens.account.login import AccountLoginView
from tokens.account.password import OwnPasswordView
from tokens.account.second_step import SecondStepView
from tokens.web.login import PageLogoutView, login_needed
from tokens.web.pages import pages

app_name = "tokens_account"
# The view redirects before it looks at the method.
second_step = never_cache(
    require_http_methods(["GET", "HEAD", "POST"])(
        sensitive_post_parameters()(SecondStepView.as_view())
    )
)
urlpatterns = pages(
    [
        path("login/", AccountLoginView.as_view(), name="login"),
        path("login/code/", second_step, name="second-step"),
        path("logout/", PageLogoutView.as_view(own="tokens_account:login"), name="logout"),
        path("events/", events.index, name="events"),
        path("password/new/", notices.new_password, name="new-password"),
        path("notices/", notices.not_me, name="not-me"),
        path("password/", login_needed(OwnPasswordView.as_view()), name="password"),
        path("factors/", factors.index, name="factors"),
        path("factors/app/", factors.add_app, name="add-app"),
        path("factors/passkey/", factors.add_passkey, name="add-passkey"),
        path("factors/codes/", factors.codes, name="codes"),
        path("factors/<str:pk>/remove/", factors.remove, name="remove-factor"),
        path("sessions/", sessions.index, name="sessions"),
        path("sessions/end/", sessions.end_many, name="end-many"),
        path("sessions/<uuid:pk>/end/", sessions.end, name="end"),
        path("sessions/<uuid:pk>/name/", sessions.name, name="name"),
    ]
)
