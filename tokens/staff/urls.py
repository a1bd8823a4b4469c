from django.contrib.auth.views import LogoutView
from django.urls import path

from tokens.staff import events, inspect, jobs, overview, revoke, sessions, tokens, users
from tokens.staff.login import StaffLoginView

app_name = "staff"
urlpatterns = [
    path("", overview.index, name="overview"),
    path("login/", StaffLoginView.as_view(), name="login"),
    path("logout/", LogoutView.as_view(next_page="staff:login"), name="logout"),
    path("tokens/", tokens.index, name="tokens"),
    path("tokens/<path:jti>/", tokens.detail, name="token"),
    path("sessions/", sessions.index, name="sessions"),
    path("sessions/<uuid:sid>/", sessions.detail, name="session"),
    path("users/", users.index, name="users"),
    path("users/<str:pk>/", users.detail, name="user"),
    path("revoke/", revoke.revoke, name="revoke"),
    path("revoke/<int:pk>/", jobs.job, name="revoke-job"),
    path("inspect/", inspect.index, name="inspect"),
    path("events/", events.index, name="events"),
    path("events/export", events.export, name="events-export"),
]
