from django.urls import path

from chat.api import completions
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
]
