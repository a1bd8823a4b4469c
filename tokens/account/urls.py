from django.urls import path

from tokens.account import events, sessions
from tokens.account.login import AccountLoginView
from tokens.account.password import OwnPasswordView
from tokens.web.login import PageLogoutView, login_needed
from tokens.web.pages import pages

app_name = "tokens_account"
urlpatterns = pages(
    [
        path("login/", AccountLoginView.as_view(), name="login"),
        path("logout/", PageLogoutView.as_view(own="tokens_account:login"), name="logout"),
        path("events/", events.index, name="events"),
        path("password/", login_needed(OwnPasswordView.as_view()), name="password"),
        path("sessions/", sessions.index, name="sessions"),
        path("sessions/end/", sessions.end_many, name="end-many"),
        path("sessions/<uuid:pk>/end/", sessions.end, name="end"),
    ]
)
