from django.urls import path

from tokens.api import (
    oauth_views,
    own_session_views,
    revocation_views,
    schema_views,
    staff_revoke_views,
    staff_views,
    token_views,
)
from tokens.web.pages import page

app_name = "tokens_api"
urlpatterns = [
    path("login", token_views.LoginView.as_view(), name="login"),
    path("restricted", token_views.RestrictedView.as_view(), name="restricted"),
    path("refresh", token_views.RefreshView.as_view(), name="refresh"),
    path("logout", token_views.LogoutView.as_view(), name="logout"),
    path("verify", token_views.VerifyView.as_view(), name="verify"),
    path("revoke", oauth_views.RevokeView.as_view(), name="revoke"),
    path("introspect", oauth_views.IntrospectView.as_view(), name="introspect"),
    path("revocations", revocation_views.RevocationsView.as_view(), name="revocations"),
    path("sessions", own_session_views.OwnSessionsView.as_view(), name="sessions"),
    path("sessions/<uuid:pk>", own_session_views.OwnSessionView.as_view(), name="session"),
    path("staff/tokens", staff_views.TokensView.as_view(), name="staff-tokens"),
    path("staff/tokens/<str:jti>", staff_views.TokenView.as_view(), name="staff-token"),
    path(
        "staff/tokens/<str:jti>/revoke",
        staff_revoke_views.RevokeTokenView.as_view(),
        name="staff-revoke-token",
    ),
    path("staff/sessions", staff_views.SessionsView.as_view(), name="staff-sessions"),
    path("staff/sessions/<uuid:pk>", staff_views.SessionView.as_view(), name="staff-session"),
    path(
        "staff/sessions/<uuid:pk>/revoke",
        staff_revoke_views.RevokeSessionView.as_view(),
        name="staff-revoke-session",
    ),
    path("staff/users/<str:pk>", staff_views.UserView.as_view(), name="staff-user"),
    path(
        "staff/users/<str:pk>/revoke",
        staff_revoke_views.RevokeUserView.as_view(),
        name="staff-revoke-user",
    ),
    path("schema", schema_views.schema, name="schema"),
    path("docs", page(schema_views.docs), name="docs"),
    path("staff/events", staff_views.EventsView.as_view(), name="staff-events"),
    path("staff/events/export", staff_views.ExportView.as_view(), name="staff-events-export"),
]
