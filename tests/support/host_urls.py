"""The URLs of a host project: its own views, and the app under ``tokens/``."""

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import include, path
from django.views.decorators.csrf import csrf_exempt
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.views import SpectacularAPIView
from rest_framework.response import Response
from rest_framework.views import APIView


@csrf_exempt
def upload(request: HttpRequest) -> HttpResponse:
    return HttpResponse(f"{len(request.body)} {request.scheme} {request.encoding}")


class Items(APIView):
    permission_classes = ()

    def get(self, request: HttpRequest) -> Response:
        return Response([])


urlpatterns = [
    path("tokens/", include("tokens.urls")),
    path("admin/", admin.site.urls),
    path("upload/", upload),
    path("accounts/sign-in/", upload, name="sign-in"),
    path("api/items", Items.as_view(), name="items"),
    path("api/schema", SpectacularAPIView.as_view(generator_class=SchemaGenerator), name="schema"),
]
