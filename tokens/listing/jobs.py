"""List revocation jobs."""

from django.db.models import QuerySet

from tokens.models import RevocationJob


def unfinished_jobs() -> "QuerySet[RevocationJob]":
    """Return the jobs that aren't finished, the oldest first."""
    return RevocationJob.objects.filter(finished_at=None).order_by("created_at", "pk")
