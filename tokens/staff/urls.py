from django.urls import path, register_converter

from tokens.staff import (
    attention,
    browsers,
    events,
    factors,
    inspect,
    jobs,
    keys,
    overview,
    proposals,
    refusals,
    revoke,
    saved_views,
    search,
    services,
    sessions,
    tokens,
    users,
)
from tokens.staff.login import StaffLoginView
from tokens.web.login import PageLogoutView
from tokens.web.pages import pages


class AnyText:
    """Match any text: a service on the same tables may store any characters as a jti."""

    regex = r"[\s\S]+"

    def to_python(self, value: str) -> str:
        """Return the text."""
        return value

    def to_url(self, value: str) -> str:
        """Return the text."""
        return value


register_converter(AnyText, "tokens_text")

app_name = "tokens_staff"
urlpatterns = pages(
    [
        path("", overview.index, name="overview"),
        path("looks-fine/", attention.looks_fine, name="looks-fine"),
        path("login/", StaffLoginView.as_view(), name="login"),
        path("logout/", PageLogoutView.as_view(own="tokens_staff:login"), name="logout"),
        path("tokens/", tokens.index, name="tokens"),
        path("tokens/<tokens_text:jti>/", tokens.detail, name="token"),
        path("sessions/", sessions.index, name="sessions"),
        path("sessions/<uuid:sid>/", sessions.detail, name="session"),
        path("users/", users.index, name="users"),
        path("users/<str:pk>/", users.detail, name="user"),
        path("users/<str:pk>/reset-factors/", factors.reset, name="reset-factors"),
        path(
            "users/<str:pk>/browsers/<uuid:browser>/revoke/",
            browsers.revoke,
            name="revoke-browser",
        ),
        path("revoke/", revoke.revoke, name="revoke"),
        path("revoke/<int:pk>/", jobs.job, name="revoke-job"),
        path("proposals/<int:pk>/", proposals.proposal, name="proposal"),
        path("views/", saved_views.index, name="saved-views"),
        path("views/new/", saved_views.save, name="save-view"),
        path("views/<int:pk>/delete/", saved_views.delete, name="delete-view"),
        path("keys/", keys.index, name="keys"),
        path("services/", services.index, name="services"),
        path("services/add/", services.add, name="add-service"),
        path("services/<int:pk>/rotate/", services.rotate, name="rotate-service"),
        path("services/<int:pk>/remove/", services.remove, name="remove-service"),
        path("search/", search.index, name="search"),
        path("inspect/", inspect.index, name="inspect"),
        path("refusals/", refusals.index, name="refusals"),
        path("refusals/<str:request_id>/", refusals.detail, name="refusal"),
        path("events/", events.index, name="events"),
        path("events/export", events.export, name="events-export"),
    ]
)
