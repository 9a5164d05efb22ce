"""Accounts by django-allauth, with one rule of ours: only who was invited signs up."""

from __future__ import annotations

from allauth.account.adapter import DefaultAccountAdapter
from django.http import HttpRequest

from chat.invites import InviteGone, find_invite
from chat.people_views import INVITED


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]  # allauth has no types
    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """Each answer costs money: accounts are made in the admin site, or by whoever holds a link that works."""
        try:
            find_invite(request.session.get(INVITED, ""))
        except InviteGone:
            return False
        return True
