from django.urls import path

from tokens.api import docs, oauth, own, pairs, schema, staff_acts, staff_reads

app_name = "api"
urlpatterns = [
    path("login", pairs.LoginView.as_view(), name="login"),
    path("restricted", pairs.RestrictedView.as_view(), name="restricted"),
    path("refresh", pairs.RefreshView.as_view(), name="refresh"),
    path("logout", pairs.LogoutView.as_view(), name="logout"),
    path("verify", pairs.VerifyView.as_view(), name="verify"),
    path("revoke", oauth.RevokeView.as_view(), name="revoke"),
    path("introspect", oauth.IntrospectView.as_view(), name="introspect"),
    path("sessions", own.OwnSessionsView.as_view(), name="sessions"),
    path("sessions/<uuid:pk>", own.OwnSessionView.as_view(), name="session"),
    path("staff/tokens", staff_reads.TokensView.as_view(), name="staff-tokens"),
    path("staff/tokens/<str:jti>", staff_reads.TokenView.as_view(), name="staff-token"),
    path(
        "staff/tokens/<str:jti>/revoke",
        staff_acts.RevokeTokenView.as_view(),
        name="staff-revoke-token",
    ),
    path("staff/sessions", staff_reads.SessionsView.as_view(), name="staff-sessions"),
    path("staff/sessions/<uuid:pk>", staff_reads.SessionView.as_view(), name="staff-session"),
    path(
        "staff/sessions/<uuid:pk>/revoke",
        staff_acts.RevokeSessionView.as_view(),
        name="staff-revoke-session",
    ),
    path("staff/users/<int:pk>", staff_reads.UserView.as_view(), name="staff-user"),
    path(
        "staff/users/<int:pk>/revoke",
        staff_acts.RevokeUserView.as_view(),
        name="staff-revoke-user",
    ),
    path("schema", schema.schema, name="schema"),
    path("docs", docs.docs, name="docs"),
    path("staff/events", staff_reads.EventsView.as_view(), name="staff-events"),
    path("staff/events/export", staff_reads.ExportView.as_view(), name="staff-events-export"),
]
