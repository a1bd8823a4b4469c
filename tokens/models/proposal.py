"""Revocations that wait for a second person."""

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from tokens.models.job import RevocationJob
from tokens.models.lengths import NAME_LENGTH
from tokens.models.readable import ReadableCharField, ReadableTimeField


class ProposalState(models.TextChoices):
    OPEN = "open", _("waits for approval")
    APPROVED = "approved", _("approved")
    REFUSED = "refused", _("refused")
    WITHDRAWN = "withdrawn", _("withdrawn")
    EXPIRED = "expired", _("expired")


class Proposal(models.Model):
    """A revocation that another person has to approve, if TWO_PERSON_OVER asks for one.

    Its ``job`` holds what was reviewed, who proposed it and why. Until the approval the job counts
    as finished, so that no process works on it, whatever its release.
    """

    job = models.OneToOneField(RevocationJob, on_delete=models.CASCADE, related_name="proposal")
    state = ReadableCharField(
        _("state"), max_length=20, choices=ProposalState, default=ProposalState.OPEN
    )
    expires_at = ReadableTimeField(_("expires"))
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        related_name="+",
        db_index=False,
        verbose_name=_("decided by"),
    )
    decided_name = ReadableCharField(max_length=NAME_LENGTH, blank=True)
    decided_at = ReadableTimeField(_("decided"), null=True)

    class Meta:
        verbose_name = _("proposed revocation")
        verbose_name_plural = _("proposed revocations")
        default_permissions = ()
        indexes = [
            # The few that are open, for the overview and the purge.
            models.Index(
                fields=["expires_at"],
                name="tokens_proposal_open",
                condition=models.Q(state=ProposalState.OPEN),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.pk}: {self.state}"
