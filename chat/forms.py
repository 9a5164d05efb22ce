"""What the pages' plain forms may send. Rules that hold for every way in stand in `people` and `invites`."""

from __future__ import annotations

from django import forms
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from chat.invites import DAYS
from chat.models import Invite, Participant
from chat.titles import TITLE_MAX_CHARS

#: In the words of the pages.
ROLES = {Participant.Role.OWNER: _("owner"), Participant.Role.MEMBER: _("member"), Participant.Role.VIEWER: _("viewer")}


def _days() -> list[tuple[int, str]]:
    return [(days, ngettext("%(days)d day", "%(days)d days", days) % {"days": days}) for days in DAYS]


class AddPersonForm(forms.Form):
    username = forms.CharField(max_length=150)
    role = forms.ChoiceField(
        choices=[*ROLES.items()],
        initial=Participant.Role.MEMBER,
        widget=forms.Select(attrs={"aria-label": _("Role")}),
    )


class InviteForm(forms.Form):
    role = forms.ChoiceField(choices=[(role, ROLES[Participant.Role(role)]) for role in Invite.Role.values])
    days = forms.ChoiceField(choices=_days, initial=7)


def _share_days() -> list[tuple[int, str]]:
    return [*_days(), (0, gettext("until withdrawn"))]


class ShareForm(forms.Form):
    days = forms.ChoiceField(choices=_share_days, initial=0)
    names = forms.BooleanField(required=False)


class RenameForm(forms.Form):
    title = forms.CharField(max_length=TITLE_MAX_CHARS, required=False)
