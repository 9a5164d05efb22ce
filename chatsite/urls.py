from django.contrib import admin
from django.urls import include, path
from django.views.i18n import set_language

urlpatterns = [
    path("admin/", include("chatsite.dashboard.urls")),  # before the admin's own, which end with whatever is left
    path("admin/", admin.site.urls),
    path("accounts/", include("allauth.account.urls")),
    path("language/", set_language, name="set_language"),
    path("", include("chat.api.urls")),
    path("", include("chat.urls")),
]
