"""The tables of the app, and simplejwt's two.

All other code imports simplejwt's models from here.
"""

from tokens.models.browser import BrowserCutoff, BrowserSession
from tokens.models.cutoff import Cutoff
from tokens.models.event import Event
from tokens.models.factor import Factor, FactorKind, RecoveryCode
from tokens.models.feed_entry import FeedEntry
from tokens.models.job import RevocationJob, RevocationTarget
from tokens.models.kinds import Kind, Measure
from tokens.models.notice import Notice, NoticeLanguage, NoticeState
from tokens.models.proposal import Proposal, ProposalState
from tokens.models.reader import TrailReader
from tokens.models.refusal import Refusal
from tokens.models.rollup import Rollup
from tokens.models.saved_view import SavedView
from tokens.models.seal import Seal
from tokens.models.service import Service
from tokens.models.session import RevokedSession, Session, SessionOrigin, SessionToken
from tokens.models.signing_key import SigningKey
from tokens.models.simplejwt import BlacklistedToken, OutstandingToken
from tokens.models.target import EventTarget
from tokens.models.throttle import LoginThrottle
from tokens.models.window import EventWindow

__all__ = [
    "BlacklistedToken",
    "BrowserCutoff",
    "BrowserSession",
    "Cutoff",
    "Event",
    "EventTarget",
    "EventWindow",
    "Factor",
    "FactorKind",
    "FeedEntry",
    "Kind",
    "LoginThrottle",
    "Measure",
    "Notice",
    "NoticeLanguage",
    "NoticeState",
    "OutstandingToken",
    "Proposal",
    "ProposalState",
    "RecoveryCode",
    "Refusal",
    "RevocationJob",
    "RevocationTarget",
    "RevokedSession",
    "Rollup",
    "SavedView",
    "Seal",
    "Service",
    "Session",
    "SessionOrigin",
    "SessionToken",
    "SigningKey",
    "TrailReader",
]
