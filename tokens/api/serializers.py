"""Bodies of the API: what each call takes, and what it answers.

Login, refresh, restricted, verify and introspect build their responses by hand, because every
client waits for them; here their serializers only describe the response. `tests/api` holds the two
equal.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar

from django.contrib.auth.base_user import AbstractBaseUser
from drf_spectacular.utils import extend_schema_field, inline_serializer
from rest_framework import serializers

from tokens.accounts import passwords
from tokens.api import examples
from tokens.api.fields import (
    AnyField,
    CursorField,
    Options,
    Schema,
    TextField,
    TokenField,
    account_key_schema,
)
from tokens.listing.columns import API, Column, ColumnType
from tokens.listing.events import EventQuery
from tokens.listing.search import email_of
from tokens.listing.sessions import SessionQuery
from tokens.listing.tokens import TokenQuery
from tokens.listing.users import UserQuery
from tokens.models import OutstandingToken, Session
from tokens.models.lengths import NAME_LENGTH, REASON_LENGTH
from tokens.models.readable import is_readable
from tokens.services import Reach
from tokens.validation.validator import ALLOWED

# The columns of a session that its owner may see.
SHOWN_TO_OWNER = (
    "id", "name", "ip", "user_agent", "client", "created_at", "last_used_at", "expires_at",
)  # fmt: skip

# --- Requests.


class LoginSerializer(serializers.Serializer[None]):
    """The credentials of an account."""

    example = examples.CREDENTIALS

    username = TextField(max_length=NAME_LENGTH)
    password = TextField(max_length=passwords.LONGEST, trim_whitespace=False, write_only=True)
    code = TextField(
        max_length=100,
        required=False,
        allow_blank=True,
        write_only=True,
        help_text="Of an authenticator app, or a recovery code, if the account has a second factor",
    )


class RefreshSerializer(serializers.Serializer[None]):
    """A refresh token."""

    example = {"refresh": examples.TOKEN}

    refresh = TokenField()


class TokenSerializer(serializers.Serializer[None]):
    """A refresh or access token."""

    example = {"token": examples.TOKEN}

    token = TokenField()


class ReasonSerializer(serializers.Serializer[None]):
    """Why staff revoke. The reason goes into the audit trail."""

    example = examples.REASON

    reason = TextField(max_length=REASON_LENGTH)


# --- Responses. `ApiSchema` describes each as an object with exactly these properties, unless its
# serializer says `open_ended`.


class AccountKeyField(serializers.Field[object, object, object, object]):
    """The primary key of an account, of whichever type the user model has."""

    def __init__(self, *, help_text: str | None = None, source: str | None = None) -> None:
        super().__init__(read_only=True, help_text=help_text, source=source)

    def to_representation(self, value: object) -> object:
        return value

    @property
    def json_schema(self) -> Schema:
        """Describe the key: a number, or the text of another key."""
        return account_key_schema()


class NullableAccountKeyField(AccountKeyField):
    """The key of an account that may be gone."""

    @property
    def json_schema(self) -> Schema:
        """Describe the key, or null."""
        schema = account_key_schema()
        return {**schema, "type": [schema["type"], "null"]}


@extend_schema_field({"type": ["integer", "string"]})
class UserClaimField(serializers.CharField):
    """The claim that names the user. simplejwt 5.5 writes text, and 5.4 a number."""


@extend_schema_field({"const": True})
class TrueField(serializers.BooleanField):
    """Always true."""


@extend_schema_field({"const": False})
class FalseField(serializers.BooleanField):
    """Always false."""


@extend_schema_field({"const": "token_not_valid"})
class TokenNotValidCodeField(serializers.CharField):
    """simplejwt's code for a rejected token."""


class ExampleSerializer(serializers.Serializer[object]):
    """A response body, with the example that the documentation shows."""

    example: Mapping[str, object] = {}
    open_ended = False


class PairSerializer(ExampleSerializer):
    """A refresh and an access token."""

    refresh = serializers.CharField(help_text="a JSON Web Token")
    access = serializers.CharField(help_text="a JSON Web Token")
    example = examples.PAIR


class AllowedSerializer(ExampleSerializer):
    """The answer to a call with a valid access token."""

    response = serializers.CharField()
    example = ALLOWED


class EmptySerializer(ExampleSerializer):
    """An empty object."""


class RevokedSerializer(ExampleSerializer):
    """Counts of one act; all zero if there was nothing left to revoke."""

    tokens = serializers.IntegerField(min_value=0)
    sessions = serializers.IntegerField(min_value=0)
    users = serializers.IntegerField(min_value=0)
    example = examples.REVOKED


class ClaimsSerializer(ExampleSerializer):
    """The claims of a token: these, `iss` and `aud` where configured, and the host's own."""

    token_type = serializers.ChoiceField(choices=["access", "refresh"])
    exp = serializers.IntegerField(help_text="seconds since 1970")
    iat = serializers.IntegerField(help_text="seconds since 1970")
    jti = serializers.CharField()
    user_id = UserClaimField(help_text="the account's id")
    sid = serializers.UUIDField(help_text="the session's id")
    open_ended = True
    example = examples.CLAIMS


class InactiveSerializer(ExampleSerializer):
    """A token that is not accepted; nothing else is told of it."""

    active = FalseField()


class ActiveSerializer(ClaimsSerializer):
    """A token that is accepted, with its claims (RFC 7662, section 2.2)."""

    active = TrueField()
    sub = serializers.CharField()
    username = serializers.CharField()
    example = examples.INTROSPECTED


class InstantField(serializers.DateTimeField):
    """An instant; null if the stored one can't be read."""

    def to_representation(self, value: datetime) -> Any:
        """Return the instant as text, or None."""
        return super().to_representation(value) if is_readable(value) else None


class RowSerializer(ExampleSerializer):
    """A row of a list: the list's ``columns``, and the fields that a subclass adds."""

    columns: ClassVar[tuple[Column, ...]] = ()

    def __init_subclass__(cls, **kwargs: object) -> None:
        super().__init_subclass__(**kwargs)
        shown = {column.name: column.example for column in cls.columns}
        cls.example = {**shown, **vars(cls).get("example", {})}

    def get_fields(self) -> dict[str, AnyField]:
        """Return the fields of the columns, then the declared ones."""
        return {column.name: _field(column) for column in self.columns} | super().get_fields()


def _field(column: Column) -> AnyField:
    """Return the field that serializes a column."""
    options: Options = {}
    if column.path != column.name:
        options["source"] = column.path
    if column.help:
        options["help_text"] = column.help
    if column.type is ColumnType.ACCOUNT_KEY:
        return (NullableAccountKeyField if column.null else AccountKeyField)(**options)
    if column.null:
        options["allow_null"] = True
    match column.type:
        case ColumnType.CHOICE:
            return serializers.ChoiceField(choices=column.choices, **options)
        case ColumnType.INTEGER:
            return serializers.IntegerField(**options)
        case ColumnType.COUNT:
            return serializers.IntegerField(min_value=0, **options)
        case ColumnType.BOOLEAN:
            return serializers.BooleanField(**options)
        case ColumnType.INSTANT:
            return InstantField(**options)
        case ColumnType.UUID:
            return serializers.UUIDField(**options)
        case ColumnType.OBJECT:
            return serializers.DictField(**options)
    return serializers.CharField(**options)


class OwnSessionSerializer(RowSerializer):
    """One of the caller's own sessions. The context gives ``current``, the caller's session id."""

    columns = tuple(c for c in SessionQuery.columns_on(API) if c.name in SHOWN_TO_OWNER)
    current = serializers.SerializerMethodField(help_text="whether this call was made with it")
    example = {"current": True}

    def get_current(self, session: Session) -> bool:
        return bool(session.pk == self.context["current"])


class SessionSerializer(RowSerializer):
    """A session, as staff see it."""

    columns = SessionQuery.columns_on(API)


class SessionOriginSerializer(ExampleSerializer):
    """An address and device that a session was seen at."""

    example = {
        "ip": "192.0.2.7",
        "user_agent": "Mozilla/5.0 …",
        "first_seen_at": "2026-11-02T08:15:00Z",
        "last_seen_at": "2026-11-02T09:05:10Z",
    }

    ip = serializers.CharField()
    user_agent = serializers.CharField()
    first_seen_at = serializers.DateTimeField()
    last_seen_at = serializers.DateTimeField()


class ServiceReachSerializer(ExampleSerializer):
    """A service that follows the revocation feed."""

    name = serializers.CharField()
    confirmed = serializers.BooleanField(help_text="it knows of the revocation")
    confirmed_at = serializers.DateTimeField(
        allow_null=True,
        help_text="it knows what was revoked before; null: it has not confirmed anything yet",
    )
    example = {"name": "billing", "confirmed": True, "confirmed_at": "2026-11-02T14:03:04Z"}


class ReachSerializer(ExampleSerializer):
    """The last revocation, while an access token that it ended may still be accepted elsewhere."""

    revoked_at = serializers.DateTimeField()
    until = serializers.DateTimeField(help_text="when the last of these access tokens expires")
    services = ServiceReachSerializer(many=True)
    example = {
        "revoked_at": "2026-11-02T14:03:03Z",
        "until": "2026-11-02T14:07:15Z",
        "services": [ServiceReachSerializer.example],
    }


def reach_json(reach: Reach | None) -> Mapping[str, object] | None:
    """Return a reach as the API answers it."""
    return ReachSerializer(reach).data if reach is not None else None


class SessionWithOriginsSerializer(SessionSerializer):
    """A session, and the addresses and devices that it was seen at, the last one first."""

    addresses = SessionOriginSerializer(source="seen", many=True)
    reach = serializers.SerializerMethodField()
    example = {"addresses": [SessionOriginSerializer.example], "reach": ReachSerializer.example}

    @extend_schema_field(ReachSerializer(allow_null=True))
    def get_reach(self, session: Session) -> Mapping[str, object] | None:
        return reach_json(self.context["reach"])


class OutstandingTokenSerializer(RowSerializer):
    """A refresh token that simplejwt's table records. Its text is never included."""

    columns = TokenQuery.columns_on(API)


class TokenWithClaimsSerializer(OutstandingTokenSerializer):
    """An outstanding token and its stored claims."""

    claims = serializers.SerializerMethodField()
    example = {"claims": examples.CLAIMS}

    @extend_schema_field(ClaimsSerializer)
    def get_claims(self, token: OutstandingToken) -> Mapping[str, object]:
        claims: Mapping[str, object] = self.context["claims"]
        return claims


class EventSerializer(RowSerializer):
    """One line of the audit trail."""

    columns = EventQuery.columns_on(API)


def page_of(row: type[RowSerializer]) -> type[ExampleSerializer]:
    """Return the serializer class that describes a page of ``row``s."""
    name = row.__name__.removesuffix("Serializer")
    return type(
        f"{name}PageSerializer",
        (ExampleSerializer,),
        {
            "__doc__": f"A page of a list. Each result: {row.__doc__}",
            "next": CursorField(allow_null=True, help_text="cursor of the older page"),
            "previous": CursorField(allow_null=True, help_text="cursor of the newer page"),
            "partial": serializers.BooleanField(
                help_text="the search stopped at its limit; next continues it"
            ),
            "results": row(many=True),
            "example": examples.page(row.example),
        },
    )


OwnSessionPageSerializer = page_of(OwnSessionSerializer)
SessionPageSerializer = page_of(SessionSerializer)
OutstandingTokenPageSerializer = page_of(OutstandingTokenSerializer)
EventPageSerializer = page_of(EventSerializer)


class AccountSerializer(RowSerializer):
    """An account. The response adds a page of its sessions."""

    columns = UserQuery.columns_on(API)
    # A user model may lack these columns.
    email = serializers.SerializerMethodField(help_text="empty: the user model has none")
    is_staff = serializers.BooleanField(default=False)
    last_login = serializers.DateTimeField(allow_null=True, default=None)
    date_joined = serializers.DateTimeField(
        allow_null=True, default=None, help_text="null: the user model does not record it"
    )

    def get_email(self, account: AbstractBaseUser) -> str:
        return email_of(account)


class AccountWithSessionsSerializer(AccountSerializer):
    """An account and a page of its sessions."""

    sessions = SessionPageSerializer()
    reach = ReachSerializer(allow_null=True)
    example = {"sessions": SessionPageSerializer.example, "reach": ReachSerializer.example}


# --- Errors, in the shapes of Django REST framework and simplejwt.


class ErrorSerializer(ExampleSerializer):
    """An error."""

    detail = serializers.CharField()


class LoginNeededSerializer(ErrorSerializer):
    """A call that needs a newer login (RFC 9470)."""

    code = serializers.ChoiceField(choices=["insufficient_user_authentication"])


class TokenNotValidSerializer(ExampleSerializer):
    """A rejected refresh token."""

    detail = serializers.CharField()
    code = TokenNotValidCodeField()


class BearerNotValidSerializer(TokenNotValidSerializer):
    """A rejected access token."""

    messages = inline_serializer(
        "BearerMessage",
        {
            "token_class": serializers.CharField(),
            "token_type": serializers.CharField(),
            "message": serializers.CharField(),
        },
        many=True,
    )
