"""User models unlike Django's own, as host projects have them."""

import uuid
from typing import Any, ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.db import models


class PersonManager(BaseUserManager["Person"]):
    """Find people by their e-mail address in any case, and hide those that were removed."""

    def get_queryset(self) -> models.QuerySet["Person"]:
        return super().get_queryset().filter(removed=False)

    def get_by_natural_key(self, username: str | None) -> "Person":
        return self.get(mail__iexact=username)

    def create_user(self, mail: str, password: str, **more: Any) -> "Person":
        person = self.model(mail=mail, **more)
        person.set_password(password)
        person.save()
        return person


class Person(AbstractBaseUser, PermissionsMixin):
    """A UUID key, a login by e-mail address, and columns and a table with names of its own."""

    uid = models.UUIDField(primary_key=True, default=uuid.uuid4, db_column="person_uid")
    mail = models.EmailField("e-mail", unique=True, db_column="mail_address")
    is_active = models.BooleanField(default=True, db_column="enabled")
    is_staff = models.BooleanField(default=False)
    removed = models.BooleanField(default=False)
    settings = models.JSONField(default=dict)

    objects: ClassVar[PersonManager] = PersonManager()

    USERNAME_FIELD = "mail"
    EMAIL_FIELD = "mail"

    class Meta:
        db_table = "All People"


class Employee(Person):
    """A proxy, as an admin page of its own needs."""

    class Meta:
        proxy = True


class Device(AbstractBaseUser):
    """A text key, and nothing that `AbstractBaseUser` does not have."""

    serial = models.CharField(max_length=40, primary_key=True)
    handle = models.CharField(max_length=60, unique=True)

    objects: ClassVar[BaseUserManager["Device"]] = BaseUserManager()

    USERNAME_FIELD = "handle"
