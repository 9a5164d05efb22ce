from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class ApiConfig(AppConfig):
    name = "chat.api"
    label = "api"
    verbose_name = _("API")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from django.conf import settings
        from django.db.models.signals import post_save

        from chat.api import revoking

        post_save.connect(revoking.person_saved, sender=settings.AUTH_USER_MODEL, dispatch_uid="end of keys' questions")
