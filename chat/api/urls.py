from django.urls import path
from django.views.generic import RedirectView

from chat.api import catalogue, chat_stream, completions, conversations, pages, streams, usage
from chat.api.ninja_api import make_api

openai_api = make_api(
    title="OpenAI-compatible API",
    version="1",
    urls_namespace="openai",
    description="For programs that speak to OpenAI: set their base URL to this site's `/v1` and their key to yours.",
)
openai_api.error_type = "application/json"
openai_api.add_router("", completions.router)
openai_api.add_router("", chat_stream.router)

own_api = make_api(
    title="Chat API",
    version="1",
    urls_namespace="chat-api",
    description="Conversations, and their answers as streams that survive reconnects.",
)
own_api.add_router("conversations", conversations.router)
own_api.add_router("streams", streams.router)
own_api.add_router("models", catalogue.router)
own_api.add_router("usage", usage.router)

urlpatterns = [
    path("v1/docs/", RedirectView.as_view(pattern_name="openai:openapi-view")),
    path("v1/", openai_api.urls),
    path("api/v1/docs/", RedirectView.as_view(pattern_name="chat-api:openapi-view")),
    path("api/v1/", own_api.urls),
    path("accounts/api-keys/", pages.api_keys, name="api_keys"),
    path("accounts/api-keys/<int:key_id>/revoke/", pages.api_key_revoke, name="api_key_revoke"),
]
