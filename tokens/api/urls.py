from django.urls import path

from tokens.api import pairs

app_name = "api"
urlpatterns = [
    path("login", pairs.LoginView.as_view(), name="login"),
    path("restricted", pairs.RestrictedView.as_view(), name="restricted"),
    path("refresh", pairs.RefreshView.as_view(), name="refresh"),
    path("logout", pairs.LogoutView.as_view(), name="logout"),
    path("verify", pairs.VerifyView.as_view(), name="verify"),
]
