"""Make simplejwt's refresh tokens open, look up and end sessions.

`tokens.simplejwt.take_over` gives the methods of `SessionRefreshToken` to simplejwt's own class. So
none of them calls ``super()``: the methods that they replace are kept below.
"""

from django.contrib.auth.base_user import AbstractBaseUser
from django.utils.translation import gettext_lazy as _
from rest_framework_simplejwt.exceptions import TokenError
from rest_framework_simplejwt.settings import api_settings
from rest_framework_simplejwt.tokens import AccessToken, RefreshToken

from tokens.conf import app_settings
from tokens.db import clock
from tokens.jwt.claims import Claims
from tokens.jwt.signing import OPENED, address, issue_at, sign
from tokens.models import BlacklistedToken, OutstandingToken
from tokens.models.reasons import Reason
from tokens.revocation.presented import record_token, revoke_presented
from tokens.sessions.claims import session_claims
from tokens.sessions.issue import Opening, begin_session, store_again
from tokens.simplejwt.errors import as_api_errors
from tokens.validation import validate_claims
from tokens.validation.legacy import load_account

STOCK_ACCESS_TOKEN = RefreshToken.access_token
STOCK_STR = RefreshToken.__str__
STOCK_ACCESS_STR = AccessToken.__str__


class SessionRefreshToken(RefreshToken):  # type: ignore[misc]  # simplejwt ships no types
    """A refresh token of a session.

    ``for_user`` opens the session. Claims that a view sets afterwards are signed and stored when
    the view takes ``str(token)``.
    """

    # What `for_user` has opened; None for a token that was parsed.
    _opening: Opening | None = None

    @classmethod
    def for_user(cls, user: AbstractBaseUser) -> "SessionRefreshToken":
        """Open a session and return its first refresh token.

        Raises AuthenticationFailed (401) if the account is not active or has changed since it was
        loaded, and a 503 if the CLAIMS function or the database fails.
        """
        with as_api_errors():
            opening = begin_session(user=user, claims={}, token_class=cls)
        token: SessionRefreshToken = opening.refresh  # type: ignore[assignment]
        token._opening = opening
        return token

    def __str__(self) -> str:
        """Sign the token. The first token of a session is stored again if its claims changed."""
        if self._opening is None:
            return str(STOCK_STR(self))
        with as_api_errors():
            return store_again(self._opening)

    @property
    def access_token(self) -> AccessToken:
        """Make an access token with the claims of this token and of the CLAIMS function.

        It expires with its session at the latest.
        """
        access, opening = STOCK_ACCESS_TOKEN.fget(self), self._opening
        issue_at(access, self.current_time if opening is not None else clock.now())
        if opening is not None:
            access.payload.update(opening.claims)
            access.payload[OPENED] = opening.session.created_at.timestamp()
            end = int(opening.session.expires_at.timestamp())
            access.payload["exp"] = min(access.payload["exp"], end)
        elif app_settings.CLAIMS and "sid" in self.payload:
            access.payload.update(_claims_of(self))
        address(access)
        return access

    def check_blacklist(self) -> None:
        """Raise TokenError if the token is revoked or used up, or if its user or session ended."""
        if not isinstance(self.payload.get(api_settings.JTI_CLAIM), str):
            raise TokenError(_("Token has no id"))
        validation = validate_claims(claims=self.payload)
        if validation.failed == "revoked" or validation.retry:
            raise TokenError(_("Token is blacklisted"))
        if not validation.active:
            raise TokenError(validation.message)

    def blacklist(self) -> tuple[BlacklistedToken, bool]:
        """Log out: end the session of this token, or a token that has none.

        Returns the token's row in the blacklist, and whether this call ended anything.
        """
        with as_api_errors():
            validation = validate_claims(claims=self.payload)
            text = str(STOCK_STR(self))
            ended = revoke_presented(validation=validation, token=text, reason=Reason.LOGGED_OUT)
            outstanding, _created = self.outstand()
            row, created = BlacklistedToken.objects.get_or_create(token=outstanding)
            return row, created or bool(ended)

    def outstand(self) -> tuple[OutstandingToken, bool]:
        """Record the token without its signature, unless it is recorded.

        Returns its row, and whether it is new.
        """
        user = load_account(claims=self.payload)
        key = user.pk if user is not None else None
        return record_token(claims=self.payload, token=str(STOCK_STR(self)), user_key=key)


def access_text(token: AccessToken) -> str:
    """Sign an access token of a session; sign another one as simplejwt does."""
    return sign(token) if "sid" in token.payload else str(STOCK_ACCESS_STR(token))


def _claims_of(token: RefreshToken) -> Claims:
    """Return the claims of the CLAIMS function for a token that was parsed."""
    validation = validate_claims(claims=token.payload)
    if validation.user is None or validation.session is None:
        raise TokenError(validation.message)
    with as_api_errors():
        return session_claims(user=validation.user, session=validation.session)
