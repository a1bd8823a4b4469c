"""The tables beside simplejwt's two. simplejwt's models are imported from here and nowhere
else, so that a change of its home touches one line."""

from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken, OutstandingToken

from tokens.models.cutoff import Cutoff
from tokens.models.event import Event, Kind
from tokens.models.job import RevocationJob
from tokens.models.reader import TrailReader
from tokens.models.rollup import Rollup
from tokens.models.seal import Seal
from tokens.models.session import RevokedSession, Session, SessionToken
from tokens.models.throttle import LoginThrottle

__all__ = [
    "BlacklistedToken",
    "Cutoff",
    "Event",
    "Kind",
    "LoginThrottle",
    "OutstandingToken",
    "RevocationJob",
    "RevokedSession",
    "Rollup",
    "Seal",
    "Session",
    "SessionToken",
    "TrailReader",
]
