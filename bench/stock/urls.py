from django.contrib import admin
from django.urls import path
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework_simplejwt.views import (
    TokenBlacklistView,
    TokenObtainPairView,
    TokenRefreshView,
    TokenVerifyView,
)


class RestrictedView(APIView):
    permission_classes = [IsAuthenticated]

    def get(self, request: Request) -> Response:
        return Response({"response": "YOU ARE ALLOWED HERE"})


urlpatterns = [
    path("admin/", admin.site.urls),
    path("api/login", TokenObtainPairView.as_view()),
    path("api/restricted", RestrictedView.as_view()),
    path("api/refresh", TokenRefreshView.as_view()),
    path("api/verify", TokenVerifyView.as_view()),
    path("api/logout", TokenBlacklistView.as_view()),
]
