"""What a user's admin page gains: live sessions, the last login by API, and "revoke all". It is
mixed into whatever the project registered for its user model."""

from typing import Any

from django.contrib import admin
from django.contrib.admin.options import ModelAdmin
from django.contrib.admin.views.main import ChangeList
from django.contrib.auth.admin import UserAdmin
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db import connection, transaction
from django.db.models import Max, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.template.exceptions import TemplateDoesNotExist
from django.template.loader import render_to_string, select_template
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.functional import cached_property
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from tokens.admin.base import PlainCheckbox, staff_page
from tokens.admin.changelist import AccountChangeList
from tokens.admin.revoking import Review, review
from tokens.models import Cutoff, Kind, Session
from tokens.revocation import Revocation, Selection, revoke_matching, revoke_user
from tokens.selectors.about import about
from tokens.selectors.events import events
from tokens.selectors.matching import matching_users
from tokens.selectors.sessions import HELD, sessions

SHOWN = 20
COMPLETED, FOUND = 20, 1000
# So many users are ended one by one; more than that as one selection, up to a number whose keys
# still fit into a statement.
EACH, AT_ONCE = 100, 10_000
KEYED_TEMPLATE = "admin/tokens/change_list.html"


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


class TokensOfUser(PlainCheckbox):
    """Before a user admin in the order of resolution."""

    # Set where the project leaves to Django how its accounts are found, and listed.
    finds_by_start = False
    pages_by_key = False

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

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        own = [f"admin/{self.opts.app_label}/{self.opts.model_name}/change_list.html"]
        own.append(f"admin/{self.opts.app_label}/change_list.html")
        if not self.pages_by_key or _is_there(own):
            theirs: type[ChangeList] = super().get_changelist(request, **kwargs)
            return theirs
        return AccountChangeList

    def get_urls(self) -> list[URLPattern]:
        name = f"{self.opts.app_label}_{self.opts.model_name}_revoke"
        view = self.admin_site.admin_view(self.revoke_view)
        return [path("<path:object_id>/revoke/", view, name=name), *super().get_urls()]

    def get_search_results(
        self, request: HttpRequest, queryset: "QuerySet[Any]", search_term: str
    ) -> tuple["QuerySet[Any]", bool]:
        """Completing a name for a token filter goes by the names' index: the project's own
        search may scan, which a list of a million accounts cannot pay at every key. So does the
        list's search, where the project has none of its own."""
        text = search_term.strip().replace("\0", "")
        if request.GET.get("app_label") in ("token_blacklist", "tokens"):
            return queryset.filter(pk__in=matching_users(text, limit=COMPLETED)), False
        if self.finds_by_start and text:
            return queryset.filter(pk__in=matching_users(text, limit=FOUND)), False
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
) -> HttpResponse | None:
    """A few one by one, each with a cut-off and an event of its own; many as one selection, and
    that by a job where it takes long."""
    keys = tuple(queryset.order_by("pk").values_list("pk", flat=True)[: AT_ONCE + 1])
    if len(keys) > AT_ONCE:
        words = _("More than %(number)s users at once: narrow the list, or cut everybody off.")
        modeladmin.message_user(request, words % {"number": f"{AT_ONCE:,}"}, level="warning")
        return None
    many = len(keys) > EACH
    users = [] if many else list(queryset.order_by("pk"))
    selection = Selection(users=keys)

    def act(reason: str) -> Revocation:
        if many:
            return revoke_matching(selection=selection, actor=request.user, reason=reason)
        with transaction.atomic():
            ended = (revoke_user(user=u, actor=request.user, reason=reason) for u in users)
            return sum(ended, start=Revocation())

    across = request.POST.get("select_across") == "1"
    what = Review(
        title=_("Revoke all tokens of the selected users"),
        selection=selection,
        act=act,
        back=request.get_full_path(),
        objects=users,
        kept=[
            ("action", "revoke_all_tokens"),
            *([("select_across", "1")] if across else []),
            *(("_selected_action", str(key)) for key in (keys[:1] if across else keys)),
        ],
        batched=many,
        long=len(keys) > 1,
    )
    return review(request, model_admin=modeladmin, what=what)


def _is_there(names: list[str]) -> bool:
    try:
        select_template(names)
    except TemplateDoesNotExist:
        return False
    return True


def with_tokens(theirs: type[Any]) -> type[Any]:
    """``theirs`` with `TokensOfUser` before it; what it declares itself goes on being used."""
    if issubclass(theirs, TokensOfUser):
        return theirs
    ours: dict[str, Any] = {"__module__": theirs.__module__}
    searched = (theirs.get_search_results, theirs.get_search_fields)
    if (
        searched == (ModelAdmin.get_search_results, ModelAdmin.get_search_fields)
        and theirs.search_fields == UserAdmin.search_fields
    ):
        said = gettext_lazy("The start of a user name or an e-mail address")
        ours |= {"finds_by_start": True, "search_help_text": theirs.search_help_text or said}
    if theirs.paginator is Paginator:
        ours |= {"paginator": AboutPaginator, "show_full_result_count": False}
        plain = theirs.get_changelist is ModelAdmin.get_changelist and not theirs.list_editable
        if plain and theirs.change_list_template is None:
            ours |= {"pages_by_key": True, "change_list_template": KEYED_TEMPLATE}
    return type(theirs.__name__, (TokensOfUser, theirs), ours)
