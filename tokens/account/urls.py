from django.contrib.auth.views import LogoutView
from django.urls import path

from tokens.account import sessions
from tokens.account.login import AccountLoginView

app_name = "account"
urlpatterns = [
    path("login/", AccountLoginView.as_view(), name="login"),
    path("logout/", LogoutView.as_view(next_page="account:login"), name="logout"),
    path("sessions/", sessions.index, name="sessions"),
    path("sessions/end/", sessions.end_many, name="end-many"),
    path("sessions/<uuid:pk>/end/", sessions.end, name="end"),
]
