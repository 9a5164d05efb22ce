from django.urls import path

from chat.api.socket import chat_socket
from chat.consumers import ChatConsumer

# `path` is annotated for views; Channels' URLRouter takes any ASGI application.
websocket_urlpatterns = [path("ws/v1/", ChatConsumer.as_asgi())]  # type: ignore[arg-type]

#: Of programs: they come with a key instead of a session, from wherever they are.
program_urlpatterns = [path("v1/chat/ws", chat_socket)]  # type: ignore[arg-type]
