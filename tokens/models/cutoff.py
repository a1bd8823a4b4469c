from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _


class Cutoff(models.Model):
    """An instant before which every token is dead: of one user, or of everybody (no user).

    Rows are only added; the latest ``not_before`` wins, in whichever order they were set.
    """

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="+",
        db_index=False,
        verbose_name=_("user"),
    )
    not_before = models.DateTimeField(_("not before"))
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        related_name="+",
        db_index=False,
        verbose_name=_("set by"),
    )
    actor_name = models.CharField(max_length=254, blank=True)
    reason = models.CharField(_("reason"), max_length=500)

    class Meta:
        verbose_name = _("cut-off")
        verbose_name_plural = _("cut-offs")
        default_permissions = ("view", "add")
        indexes = [models.Index(fields=["user", "-not_before"], name="tokens_cutoff_user")]

    def __str__(self) -> str:
        return f"{self.user_id or 'everybody'} {self.not_before:%Y-%m-%d %H:%M:%S}"
