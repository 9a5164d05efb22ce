"""What the pages' plain forms may send. Rules that hold for every way in stand in `people`."""

from __future__ import annotations

from django import forms

from chat.models import Participant
from chat.titles import TITLE_MAX_CHARS


class AddPersonForm(forms.Form):
    username = forms.CharField(max_length=150)
    role = forms.ChoiceField(choices=Participant.Role.choices, initial=Participant.Role.MEMBER)


class RenameForm(forms.Form):
    title = forms.CharField(max_length=TITLE_MAX_CHARS, required=False)
