from django.apps import AppConfig


class StreamingConfig(AppConfig):
    name = "streaming"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from django.db.models.signals import post_migrate

        from streaming import checks, operators  # noqa: F401 - registers the system checks

        post_migrate.connect(operators.make_group, sender=self)
