"""The URLs of the app: ``path("tokens/", include("tokens.urls"))``.

A project can also include each part alone, at any address: ``tokens.staff.urls``,
``tokens.account.urls``, ``tokens.api.urls`` and ``tokens.api.jwks``. The names of the URLs are the
same either way: ``tokens_staff:overview``, for example.
"""

from django.urls import include, path

urlpatterns = [
    path("api/", include("tokens.api.urls")),
    path("", include("tokens.api.jwks")),
    path("staff/", include("tokens.staff.urls")),
    path("account/", include("tokens.account.urls")),
]
