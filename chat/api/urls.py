from django.urls import path

from chat.api import completions, pages
from chat.api.ninja_api import make_api

openai_api = make_api(
    title="OpenAI-compatible API",
    version="1",
    urls_namespace="openai",
    docs_url="/docs",
    description="For programs that speak to OpenAI: set their base URL to this site's `/v1` and their key to yours.",
)
openai_api.add_router("", completions.router)

urlpatterns = [
    path("v1/", openai_api.urls),
    path("accounts/api-keys/", pages.api_keys, name="api_keys"),
    path("accounts/api-keys/<int:key_id>/revoke/", pages.api_key_revoke, name="api_key_revoke"),
]
