"""HTTP goes to Django, but for probes; `/ws/v1/` to Channels after a check of the full origin and of the session,
`/v1/chat/ws` to the API: programs bring a key."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "chatsite.settings")

from django.core.asgi import get_asgi_application

django_application = get_asgi_application()  # loads the apps: must come before the imports below

from channels.auth import AuthMiddleware
from channels.routing import ProtocolTypeRouter, URLRouter
from channels.security.websocket import OriginValidator
from channels.sessions import CookieMiddleware
from django.conf import settings
from django.urls import re_path

from chat.routing import program_urlpatterns, websocket_urlpatterns
from chatsite.bodies import BoundedBodies
from chatsite.log_context import LogContext
from chatsite.probes import Probes
from chatsite.readiness import say_ready
from chatsite.socket_session import SocketSession
from streaming import services

of_pages = OriginValidator(
    CookieMiddleware(SocketSession(AuthMiddleware(URLRouter(websocket_urlpatterns)))),  # type: ignore[arg-type]  # wants a private class
    settings.ALLOWED_ORIGINS,
)
_protocols = ProtocolTypeRouter(
    {
        "http": Probes(django_application, settings.METRICS_TOKEN),
        "websocket": URLRouter([*program_urlpatterns, re_path("", of_pages)]),  # type: ignore[list-item]
    }
)
application = LogContext(BoundedBodies(_protocols, settings.DATA_UPLOAD_MAX_MEMORY_SIZE))
services.preload()
say_ready()
