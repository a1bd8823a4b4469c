"""Know the language of an account: the one that its owner last logged in with."""

from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser
from django.utils.module_loading import import_string
from django.utils.translation import get_language

from tokens.conf import app_settings
from tokens.models import NoticeLanguage


def note_language(user: AbstractBaseUser) -> None:
    """Keep the language of the page on which the user has logged in."""
    code = get_language() or settings.LANGUAGE_CODE
    NoticeLanguage.objects.bulk_create(
        [NoticeLanguage(user_id=user.pk, code=code)],
        update_conflicts=True,
        update_fields=["code"],
        unique_fields=["user"],
    )


def language_of(user: AbstractBaseUser) -> str:
    """Return the language of an account: what NOTICE_LANGUAGE says, if the project has it."""
    if app_settings.NOTICE_LANGUAGE:
        wanted = import_string(app_settings.NOTICE_LANGUAGE)(user)
    else:
        row = NoticeLanguage.objects.filter(user=user.pk).first()
        wanted = row.code if row is not None else ""
    return wanted if wanted in dict(settings.LANGUAGES) else settings.LANGUAGE_CODE
