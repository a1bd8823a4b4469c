"""The URLs of a host project that includes one part of the app alone."""

from django.urls import include, path

urlpatterns = [path("elsewhere/", include("tokens.account.urls"))]
