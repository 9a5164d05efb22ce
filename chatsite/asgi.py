"""HTTP goes to Django, but for probes; `/ws/v1/` to Channels after a check of the full origin and of the session."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "chatsite.settings")

from django.core.asgi import get_asgi_application

django_application = get_asgi_application()  # loads the apps: must come before the imports below

from channels.auth import AuthMiddlewareStack
from channels.routing import ProtocolTypeRouter, URLRouter
from channels.security.websocket import OriginValidator
from django.conf import settings

from chat.routing import websocket_urlpatterns
from chatsite.probes import Probes
from chatsite.readiness import say_ready

application = ProtocolTypeRouter(
    {
        "http": Probes(django_application, settings.METRICS_TOKEN),
        "websocket": OriginValidator(
            AuthMiddlewareStack(URLRouter(websocket_urlpatterns)),  # type: ignore[arg-type]  # wants a private class
            settings.ALLOWED_ORIGINS,
        ),
    }
)
say_ready()
