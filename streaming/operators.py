"""What administrators may do beside Django's own permissions, and the group that may do all of it.

`view_numbers`: the dashboard and the lists. `view_text`: what somebody wrote or was answered; each look is noted.
`stop_answers`: end and repeat answers. `change_limits`: limits, and pausing, draining and resuming lanes and workers.
"""

from __future__ import annotations

from typing import Any, Final

GROUP: Final = "Operators"
PERMISSIONS: Final = ("view_numbers", "view_text", "stop_answers", "change_limits")


def make_group(**_: Any) -> None:
    """After each migration: whoever removed the group gets it back, whoever changed it keeps what they made of it."""
    from django.contrib.auth.models import Group, Permission

    group, is_new = Group.objects.get_or_create(name=GROUP)
    if is_new:
        ours = Permission.objects.filter(content_type__app_label="streaming", codename__in=PERMISSIONS)
        trail = Permission.objects.filter(content_type__app_label="admin", codename="view_logentry")
        group.permissions.set([*ours, *trail])
