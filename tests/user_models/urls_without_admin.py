"""The app's URLs in a project that has no admin."""

from django.urls import include, path
from django.views.generic import RedirectView

urlpatterns = [
    path("", RedirectView.as_view(url="/account/sessions/"), name="home"),
    path("", include("tokens.urls")),
]
