"""How the admin looks and what its side bar leads to: the settings of django-unfold, which is used for no more."""

from __future__ import annotations

from typing import Any, Final

from django.templatetags.static import static
from django.urls import reverse_lazy
from django.utils.functional import lazy
from django.utils.translation import gettext_lazy as _

_static = lazy(static, str)


def _may(permission: str) -> Any:
    return lambda request: request.user.has_perm(f"streaming.{permission}")


def _entry(title: Any, icon: str, page: str, permission: str) -> dict[str, Any]:
    return {"title": title, "icon": icon, "link": reverse_lazy(page), "permission": _may(permission)}


def _row(title: Any, icon: str, model: str) -> dict[str, Any]:
    """The list of a model whose permissions are Django's own."""
    app, _, name = model.partition("_")
    return {
        "title": title,
        "icon": icon,
        "link": reverse_lazy(f"admin:{model}_changelist"),
        "permission": lambda request: request.user.has_perm(f"{app}.view_{name}"),
    }


UNFOLD: Final[dict[str, Any]] = {
    "SITE_TITLE": _("Operations"),
    "SITE_HEADER": _("Operations"),
    "SITE_SYMBOL": "monitoring",
    "SITE_URL": "/",
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": _static("chat/img/favicon.svg")}],
    "SHOW_BACK_BUTTON": True,
    "BORDER_RADIUS": "6px",
    "STYLES": [_static("chatsite/admin.css")],
    "COLORS": {
        "primary": {
            "50": "oklch(97% .014 254.604)",
            "100": "oklch(93.2% .032 255.585)",
            "200": "oklch(88.2% .059 254.128)",
            "300": "oklch(80.9% .105 251.813)",
            "400": "oklch(70.7% .165 254.624)",
            "500": "oklch(62.3% .214 259.815)",
            "600": "oklch(54.6% .245 262.881)",
            "700": "oklch(48.8% .243 264.376)",
            "800": "oklch(42.4% .199 265.638)",
            "900": "oklch(37.9% .146 265.522)",
            "950": "oklch(28.2% .091 267.935)",
        },
    },
    "SIDEBAR": {
        "show_search": False,
        "show_all_applications": False,
        "navigation": [
            {
                "title": _("Now"),
                "items": [
                    _entry(_("Dashboard"), "monitoring", "operations:dashboard", "view_numbers"),
                    _entry(_("Ratings"), "thumbs_up_down", "operations:ratings", "view_numbers"),
                    _entry(_("Live answers"), "stream", "operations:streams", "view_numbers"),
                    _entry(_("Lanes"), "alt_route", "operations:lanes", "view_numbers"),
                    _entry(_("Workers"), "memory", "operations:workers", "view_numbers"),
                ],
            },
            {
                "title": _("Rows"),
                "separator": True,
                "items": [
                    _entry(_("Answers"), "list", "admin:streaming_generation_changelist", "view_numbers"),
                    _entry(_("Limits of lanes"), "speed", "admin:streaming_lane_changelist", "view_numbers"),
                    _row(_("Token budgets"), "savings", "streaming_tokenbudget"),
                    _row(_("Prices"), "sell", "streaming_priceoverride"),
                    _row(_("Conversations"), "forum", "chat_conversation"),
                    _row(_("Shared by link"), "link", "chat_share"),
                    _row(_("People"), "person", "auth_user"),
                    _row(_("API keys"), "key", "api_apikey"),
                    _row(_("Groups"), "group", "auth_group"),
                    _row(_("Audit trail"), "history", "admin_logentry"),
                ],
            },
        ],
    },
}
