"""Long revocations, as far as they are."""

from django.db.models import QuerySet

from tokens.models import RevocationJob


def unfinished_jobs() -> "QuerySet[RevocationJob]":
    """Those with something left, the oldest first."""
    return RevocationJob.objects.filter(finished_at=None).order_by("created_at", "pk")
