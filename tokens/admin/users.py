"""What a user's admin page gains: live sessions, the last login by API, and "revoke all". It is
mixed into whatever the project registered for its user model."""

from typing import Any

from django.contrib import admin
from django.contrib.admin.options import ModelAdmin
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db import connection, transaction
from django.db.models import Max, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.functional import cached_property
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from tokens.admin.base import staff_page
from tokens.admin.revoking import Review, review
from tokens.models import Cutoff, Kind, Session
from tokens.revocation import Revocation, Selection, revoke_user
from tokens.selectors.about import about
from tokens.selectors.events import events
from tokens.selectors.matching import matching_users
from tokens.selectors.sessions import HELD, sessions

SHOWN = 20
COMPLETED = 20


class AboutPaginator(Paginator):  # type: ignore[type-arg]
    """Does not count a million accounts for the sake of the number of the last page."""

    @cached_property
    def count(self) -> int:
        rows: Any = self.object_list
        whole = not (rows.query.where or rows.query.is_sliced or rows.query.distinct)
        if not whole or connection.vendor != "postgresql":
            return int(super().count)
        known = about(rows.model)
        return int(super().count) if known.more else known.number


class TokensOfUser(ModelAdmin):  # type: ignore[type-arg]
    """Before a user admin in the order of resolution."""

    def has_revoke_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("tokens.revoke_token")

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        theirs = super().get_fieldsets(request, obj)
        if obj is None or not request.user.has_perm("tokens.view_session"):
            return theirs
        return [*theirs, (_("Tokens"), {"fields": ("live_sessions", "last_login_by_api")})]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return (*super().get_readonly_fields(request, obj), "live_sessions", "last_login_by_api")

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        actions = super().get_actions(request)
        if self.has_revoke_permission(request):
            label = _("Revoke all tokens of the selected users")
            action: Any = (revoke_all_tokens, "revoke_all_tokens", label)
            actions["revoke_all_tokens"] = action
        return actions

    def get_urls(self) -> list[URLPattern]:
        name = f"{self.opts.app_label}_{self.opts.model_name}_revoke"
        view = self.admin_site.admin_view(self.revoke_view)
        return [path("<path:object_id>/revoke/", view, name=name), *super().get_urls()]

    def get_search_results(
        self, request: HttpRequest, queryset: "QuerySet[Any]", search_term: str
    ) -> tuple["QuerySet[Any]", bool]:
        """Completing a name for a token filter goes by the names' index: the project's own
        search may scan, which a list of a million accounts cannot pay at every key."""
        if request.GET.get("app_label") in ("token_blacklist", "tokens"):
            keys = matching_users(search_term.strip(), limit=COMPLETED)
            return queryset.filter(pk__in=keys), False
        return super().get_search_results(request, queryset, search_term)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """A user's cut-offs go with the account: it takes its tokens along, so nothing is
        revived. That nobody may delete a cut-off by hand is no reason to refuse."""
        shown, count, missing, protected = super().get_deleted_objects(objs, request)
        return shown, count, missing - {str(Cutoff._meta.verbose_name)}, protected

    def revoke_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        user = self.get_object(request, object_id)
        if not self.has_view_permission(request, user):
            raise PermissionDenied
        if user is None:
            raise Http404
        change = f"admin:{self.opts.app_label}_{self.opts.model_name}_change"
        what = Review(
            title=_("Revoke all tokens of %(user)s") % {"user": user.get_username()},
            selection=Selection(users=(user.pk,)),
            act=lambda reason: revoke_user(user=user, actor=request.user, reason=reason),
            back=reverse(change, args=[user.pk]),
            objects=[user],
        )
        return review(request, model_admin=self, what=what)

    @admin.display(description=gettext_lazy("live sessions"))
    def live_sessions(self, user: Any) -> SafeString:
        page = sessions(user=user, status="active").page(size=SHOWN)
        name = f"admin:{self.opts.app_label}_{self.opts.model_name}_revoke"
        context = {
            "sessions": page.rows,
            "more": bool(page.older),
            "username": user.get_username(),
            "revoke_url": reverse(name, args=[user.pk]),
            "staff_url": staff_page("user", user.pk),
        }
        return render_to_string("admin/tokens/live_sessions.html", context)

    @admin.display(description=gettext_lazy("last login by API"))
    def last_login_by_api(self, user: Any) -> Any:
        # One with a browser opens no session of tokens.
        # Each login by API opens a session, and uses it. They may be purged by now; the trail is
        # longer. (MAX over all of them would walk everybody's sessions by their time.)
        held = Session.objects.filter(user=user).order_by("-last_used_at", "-id")
        at = held.values("created_at")[:HELD].aggregate(at=Max("created_at"))["at"]
        if at is None:
            logins = events(kind=Kind.LOGIN, subject=user)
            at = logins.values_list("at", flat=True).first()
        return date_format(timezone.localtime(at), "DATETIME_FORMAT") if at else _("never")


def revoke_all_tokens(
    modeladmin: Any, request: HttpRequest, queryset: "QuerySet[Any]"
) -> HttpResponse:
    users = list(queryset.order_by("pk"))

    def act(reason: str) -> Revocation:
        with transaction.atomic():
            ended = (revoke_user(user=u, actor=request.user, reason=reason) for u in users)
            return sum(ended, start=Revocation())

    what = Review(
        title=_("Revoke all tokens of the selected users"),
        selection=Selection(users=tuple(user.pk for user in users)),
        act=act,
        back=request.get_full_path(),
        objects=users,
        kept=[
            ("action", "revoke_all_tokens"),
            *(("_selected_action", str(user.pk)) for user in users),
        ],
    )
    return review(request, model_admin=modeladmin, what=what)


def with_tokens(theirs: type[Any]) -> type[Any]:
    """``theirs`` with `TokensOfUser` before it; what it declares itself goes on being used."""
    if issubclass(theirs, TokensOfUser):
        return theirs
    ours: dict[str, Any] = {"__module__": theirs.__module__}
    if theirs.paginator is Paginator:
        ours |= {"paginator": AboutPaginator, "show_full_result_count": False}
    return type(theirs.__name__, (TokensOfUser, theirs), ours)
