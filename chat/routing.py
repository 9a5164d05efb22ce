from django.urls import path

from chat.consumers import ChatConsumer

# `path` is annotated for views; Channels' URLRouter takes any ASGI application.
websocket_urlpatterns = [path("ws/v1/", ChatConsumer.as_asgi())]  # type: ignore[arg-type]
