"""The views and URLs of a project that uses simplejwt, as its documentation shows them."""

from typing import Any

from django.contrib.auth import authenticate
from django.contrib.auth.models import User
from django.urls import path
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework_simplejwt import serializers, views
from rest_framework_simplejwt.exceptions import InvalidToken, TokenError
from rest_framework_simplejwt.tokens import RefreshToken

from tokens import simplejwt
from tokens.sessions.issue import open_session


class TenantSerializer(simplejwt.TokenObtainPairSerializer):
    """Adds a claim and a key of the response."""

    @classmethod
    def get_token(cls, user: Any) -> Any:
        token = super().get_token(user)
        token["tenant"] = "north"
        return token

    def validate(self, attrs: Any) -> Any:
        return {**super().validate(attrs), "name": self.user.get_username()}


class CookieRefreshSerializer(serializers.TokenRefreshSerializer):
    """Subclasses simplejwt's serializer, as dj-rest-auth does."""

    def validate(self, attrs: Any) -> Any:
        return {**super().validate(attrs), "cookie": True}


class LoginView(APIView):
    """Logs in as tutorials do."""

    authentication_classes = ()
    permission_classes = ()

    def post(self, request: Request) -> Response:
        given: Any = request.data
        user = authenticate(username=given["username"], password=given["password"])
        if user is None:
            raise AuthenticationFailed
        refresh = RefreshToken.for_user(user)
        refresh["role"] = "editor"
        return Response({"access": str(refresh.access_token), "refresh": str(refresh)})


class OpenView(APIView):
    """Opens a session for an account that was loaded without a password."""

    permission_classes = ()

    def post(self, request: Request) -> Response:
        return Response({"access": open_session(user=User.objects.get(username="alice")).access})


class RenewView(APIView):
    """Refreshes by the serializer, in a view that is not simplejwt's."""

    permission_classes = ()

    def post(self, request: Request) -> Response:
        serializer = simplejwt.TokenRefreshSerializer(data=request.data)
        try:
            serializer.is_valid(raise_exception=True)
        except TokenError as refused:
            raise InvalidToken(refused.args[0]) from refused
        return Response(serializer.validated_data)


class LogoutView(APIView):
    """Logs out as tutorials do."""

    def post(self, request: Request) -> Response:
        given: Any = request.data
        RefreshToken(given["refresh"]).blacklist()
        return Response(status=205)


class WhoView(APIView):
    def get(self, request: Request) -> Response:
        return Response({"user": request.user.get_username(), "role": request.auth.get("role")})


def role_claims(user: User, session: object) -> dict[str, object]:
    return {"role": user.first_name} if user.first_name else {}


def failing_claims(user: User, session: object) -> dict[str, object]:
    raise LookupError("the directory is away")


def reserved_claims(user: User, session: object) -> dict[str, object]:
    return {"sid": "mine"}


urlpatterns = [
    path("jwt/", views.TokenObtainPairView.as_view(
        serializer_class=simplejwt.TokenObtainPairSerializer)),
    path("jwt/tenant/", views.TokenObtainPairView.as_view(serializer_class=TenantSerializer)),
    path("jwt/refresh/", views.TokenRefreshView.as_view(
        serializer_class=simplejwt.TokenRefreshSerializer)),
    path("jwt/cookie/", views.TokenRefreshView.as_view(serializer_class=CookieRefreshSerializer)),
    path("jwt/verify/", views.TokenVerifyView.as_view(
        serializer_class=simplejwt.TokenVerifySerializer)),
    path("jwt/blacklist/", views.TokenBlacklistView.as_view(
        serializer_class=simplejwt.TokenBlacklistSerializer)),
    path("login/", LoginView.as_view()),
    path("open/", OpenView.as_view()),
    path("renew/", RenewView.as_view()),
    path("logout/", LogoutView.as_view()),
    path("who/", WhoView.as_view()),
]  # fmt: skip
