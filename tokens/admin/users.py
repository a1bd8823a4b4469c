"""Extend the project's user admin with live sessions, the last API login, and "revoke all"."""

from typing import TYPE_CHECKING, Any, TypeVar, cast

from django.contrib import admin
from django.contrib.admin.options import ModelAdmin
from django.contrib.admin.views.main import ChangeList
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.base_user import AbstractBaseUser
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db import connection, transaction
from django.db.models import F, Max, Model, QuerySet
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

from tokens.admin.base import BaseAdmin, get_or_post
from tokens.admin.changelist import AccountChangeList
from tokens.admin.revoking import Review, review
from tokens.listing.browsers import browser_sessions
from tokens.listing.estimates import estimate
from tokens.listing.events import EventQuery
from tokens.listing.search import matching_users
from tokens.listing.sessions import HELD, SessionQuery
from tokens.models import Kind, Session
from tokens.permissions import VIEW_SESSIONS
from tokens.revocation import Revocation, Selection, may_revoke, revoke_matching, revoke_user
from tokens.web.login import address_of

if TYPE_CHECKING:
    from django.contrib.admin.options import _FieldsetSpec

U = TypeVar("U", bound=AbstractBaseUser)
SHOWN = 20
COMPLETED, FOUND = 20, 1000
# Up to EACH users are revoked one by one. More users are one selection, up to the number of keys
# that fit into a statement.
EACH, AT_ONCE = 100, 10_000
KEYED_TEMPLATE = "admin/tokens/change_list.html"


class EstimatingPaginator(Paginator):  # type: ignore[type-arg]
    """Use an estimate as the number of rows, because counting a million accounts is slow."""

    @cached_property
    def count(self) -> int:
        rows = cast("QuerySet[Model]", self.object_list)
        whole = not (rows.query.where or rows.query.is_sliced or rows.query.distinct)
        if not whole or connection.vendor != "postgresql":
            return int(super().count)
        known = estimate(rows.model)
        return int(super().count) if known.more else known.number


class TokensOfUser(BaseAdmin[AbstractBaseUser]):
    """Add the section about tokens to a user admin. Put this class before it in the bases."""

    # `with_tokens` sets these if the project doesn't change Django's search or change list.
    finds_by_start = False
    pages_by_key = False

    def get_fieldsets(
        self, request: HttpRequest, obj: AbstractBaseUser | None = None
    ) -> "_FieldsetSpec":
        theirs = super().get_fieldsets(request, obj)
        if obj is None or not request.user.has_perm(VIEW_SESSIONS):
            return theirs
        return [*theirs, (_("Tokens"), {"fields": ("live_sessions", "last_login_by_api")})]

    def get_readonly_fields(
        self, request: HttpRequest, obj: AbstractBaseUser | None = None
    ) -> tuple[str, ...]:
        return (*super().get_readonly_fields(request, obj), "live_sessions", "last_login_by_api")

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        actions: dict[str, Any] = super().get_actions(request)
        if self.has_revoke_permission(request):
            label = _("Revoke all tokens of the selected users")
            actions["revoke_all_tokens"] = (revoke_all_tokens, "revoke_all_tokens", label)
        return actions

    def get_changelist(self, request: HttpRequest, **kwargs: object) -> type[ChangeList]:
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
        self, request: HttpRequest, queryset: "QuerySet[AbstractBaseUser]", search_term: str
    ) -> tuple["QuerySet[AbstractBaseUser]", bool]:
        """Search for the start of a name with an index.

        This applies when the filter of another list completes a name, because the project's own
        search may scan all accounts at each keystroke, and to the search of this list if the
        project doesn't define one.
        """
        text = search_term.strip().replace("\0", "")
        if request.GET.get("app_label") in ("token_blacklist", "tokens"):
            return queryset.filter(pk__in=matching_users(text, limit=COMPLETED)), False
        if self.finds_by_start and text:
            return queryset.filter(pk__in=matching_users(text, limit=FOUND)), False
        return super().get_search_results(request, queryset, search_term)

    @get_or_post
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
    def live_sessions(self, user: AbstractBaseUser) -> SafeString:
        page = SessionQuery(user=user.pk, status="active").listing().page(size=SHOWN)
        name = f"admin:{self.opts.app_label}_{self.opts.model_name}_revoke"
        context = {
            "sessions": page.rows,
            "browsers": browser_sessions(user=user)[:SHOWN],
            "more": bool(page.older),
            "username": user.get_username(),
            "revoke_url": reverse(name, args=[user.pk]),
            "staff_url": address_of("tokens_staff:user", user.pk),
        }
        return render_to_string("admin/tokens/live_sessions.html", context)

    @admin.display(description=gettext_lazy("last login by API"))
    def last_login_by_api(self, user: AbstractBaseUser) -> str:
        # Each login by API opens a session, but old sessions are purged; the trail is kept longer.
        # The latest sessions are enough: MAX over all of them could walk the sessions of all users
        # in the order of their time. A login in a browser opens no session of tokens.
        held = Session.objects.filter(user=user.pk).order_by("-last_used_at", "-id")
        at = held.values("created_at")[:HELD].aggregate(at=Max("created_at"))["at"]
        if at is None:
            logins = EventQuery(kind=Kind.LOGIN, subject=user.pk).rows()
            at = logins.values_list(F("at"), flat=True).first()
        return date_format(timezone.localtime(at), "DATETIME_FORMAT") if at else _("never")


def revoke_all_tokens(
    modeladmin: TokensOfUser, request: HttpRequest, queryset: "QuerySet[AbstractBaseUser]"
) -> HttpResponse | None:
    """Revoke all tokens of the selected users.

    A few users are revoked one by one, each with a cutoff and an event. Many users are one
    selection, which a job works through if it has many sessions.
    """
    keys = tuple(queryset.order_by("pk").values_list("pk", flat=True)[: AT_ONCE + 1])
    if len(keys) > AT_ONCE:
        words = _("More than %(number)s users at once: narrow the list, or log everyone out.")
        modeladmin.message_user(request, words % {"number": f"{AT_ONCE:,}"}, level="warning")
        return None
    many = len(keys) > EACH
    users = [] if many else list(queryset.order_by("pk"))
    users = [user for user in users if may_revoke(actor=request.user, user=user)]
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


def with_tokens(
    theirs: "type[ModelAdmin[U]]",
) -> "type[ModelAdmin[U]]":
    """Return the user admin ``theirs`` with `TokensOfUser` mixed in; its own options are kept."""
    if issubclass(theirs, TokensOfUser):
        return theirs
    ours: dict[str, object] = {"__module__": theirs.__module__}
    searched = (theirs.get_search_results, theirs.get_search_fields)
    if (
        searched == (ModelAdmin.get_search_results, ModelAdmin.get_search_fields)
        and theirs.search_fields == UserAdmin.search_fields
    ):
        help_text = gettext_lazy("The start of a user name or an e-mail address")
        ours |= {"finds_by_start": True, "search_help_text": theirs.search_help_text or help_text}
    if theirs.paginator is Paginator:
        ours |= {"paginator": EstimatingPaginator, "show_full_result_count": False}
        plain = theirs.get_changelist is ModelAdmin.get_changelist and not theirs.list_editable
        if plain and theirs.change_list_template is None:
            ours |= {"pages_by_key": True, "change_list_template": KEYED_TEMPLATE}
    return type(theirs.__name__, (TokensOfUser, theirs), ours)
