from django.conf import settings
from django.contrib import admin

from tests.user_models.models import Employee, Person

if settings.AUTH_USER_MODEL == "user_models.Person":
    admin.site.register(Person, search_fields=("mail",))
    admin.site.register(Employee, search_fields=("mail",))
