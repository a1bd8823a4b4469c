"""Addresses of a host project with a page of its own beside those of the app."""

from django.http import HttpRequest, HttpResponse
from django.urls import path

from portal.urls import urlpatterns as portal_urls


def echo(request: HttpRequest, text: str = "") -> HttpResponse:
    return HttpResponse(text or request.POST.get("q") or request.GET.get("q"))


urlpatterns = [path("echo", echo), path("echo/<path:text>", echo), *portal_urls]
