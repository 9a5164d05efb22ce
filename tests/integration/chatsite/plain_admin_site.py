"""A site that uses the apps in Django's own admin, without unfold; run by a test, in a process of its own."""

from __future__ import annotations

import os
import sys

import django
from django.conf import settings


def main(database: str) -> None:
    from tests import settings as ours

    values = {name: getattr(ours, name) for name in dir(ours) if name.isupper()}
    values["INSTALLED_APPS"] = [app for app in ours.INSTALLED_APPS if app not in ("unfold", "chatsite")]
    values["MIDDLEWARE"] = [name for name in ours.MIDDLEWARE if not name.startswith("chatsite.")]
    values["DATABASES"] = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": database}}
    # Tables as the models say: the migrations are tested elsewhere.
    values["MIGRATION_MODULES"] = {app.rpartition(".")[2]: None for app in values["INSTALLED_APPS"]}
    settings.configure(**values | {"ROOT_URLCONF": __name__, "ALLOWED_HOSTS": ["*"]})
    django.setup()
    from django.contrib import admin
    from django.contrib.auth.models import User
    from django.core.management import call_command
    from django.test import Client
    from django.urls import path

    urlpatterns.append(path("admin/", admin.site.urls))
    call_command("migrate", run_syncdb=True, verbosity=0)
    client = Client()
    client.force_login(User.objects.create_superuser("root"))
    for model in ("streaming/generation", "streaming/lane", "streaming/tokenbudget", "chat/conversation"):
        page = client.get(f"/admin/{model}/")
        print(model, page.status_code, "unfold" in page.text)


urlpatterns: list[object] = []
if __name__ == "__main__":
    sys.modules["tests.integration.chatsite.plain_admin_site"] = sys.modules["__main__"]
    os.environ["DJANGO_SETTINGS_MODULE"] = ""
    main(sys.argv[1])
