"""Who takes part in a conversation, in which role, and the links that let others in."""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext, gettext_noop
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from chat import invites, people
from chat.access import Role, access_conversation, id_of
from chat.forms import AddPersonForm, InviteForm
from chat.invites import InviteGone
from chat.models import Conversation, Participant
from chat.pages import Done, act, dialog_of, page, refuse
from chat.people import Door
from chat.selectors import person
from streaming.errors import Refused

#: What an owner is told who took somebody out.
_SAID: Final = {
    Door.RESET: gettext_noop("The invitation link was reset as well: the old one lets nobody in any more."),
    Door.OPEN: gettext_noop("The invitation link still works: whoever has it can come back with it."),
}
#: Where a visitor's invitation is kept until they have an account.
INVITED = "chat.invited"


def dialog(request: HttpRequest, conversation: Conversation, role: str) -> dict[str, Any]:
    """What the dialog of people shows beside them."""
    link = invites.link_of(conversation) if role == Role.OWNER else None
    return {
        "add_person": AddPersonForm(),
        "invite_form": InviteForm(),
        "invite": link,
        "invite_url": _invite_url(request, conversation) if link else "",
        "policies": Conversation.ReplyPolicy.values,
        "roles": Participant.Role.values,
    }


def _invite_url(request: HttpRequest, conversation: Conversation) -> str:
    link = invites.link_of(conversation)
    return request.build_absolute_uri(reverse("invite", args=[link.token])) if link else ""


@require_POST
@page
def conversation_add_person(request: HttpRequest, conversation_id: UUID) -> HttpResponse:
    here = dialog_of(conversation_id)
    form = AddPersonForm(request.POST)
    if not form.is_valid():
        return refuse(request, Refused("Please give the name of somebody who has an account here."), here)

    def change() -> Done:
        name, role = form.cleaned_data["username"], form.cleaned_data["role"]
        added = people.add_participant(request.user, conversation_id, name, role)
        return Done(dialog_of(added.conversation), added.after)

    return act(request, change, here)


@require_POST
@page
def conversation_change_role(request: HttpRequest, conversation_id: UUID, person_id: int) -> HttpResponse:
    here, role = dialog_of(conversation_id), request.POST.get("role", "")
    return act(request, lambda: Done(here, people.change_role(request.user, conversation_id, person_id, role)), here)


@require_POST
@page
def conversation_remove_person(request: HttpRequest, conversation_id: UUID, person_id: int) -> HttpResponse:
    """Taking somebody out; or leaving, if it is oneself. `keep_link`: the invitation stays as it is."""
    here, keep_link = dialog_of(conversation_id), "keep_link" in request.POST
    go = reverse("home") if person_id == id_of(request.user) else here

    def change() -> Done:
        removed = people.remove_participant(request.user, conversation_id, person_id, keep_link=keep_link)
        more = {"link": removed.link.value}
        if removed.link == Door.RESET:
            more["invite_url"] = _invite_url(request, access_conversation(request.user, conversation_id))
        said = gettext(_SAID[removed.link]) if removed.link in _SAID else ""
        return Done(go, removed.after, more, said, removed.stopping)

    return act(request, change, here)


@require_POST
@page
def conversation_reply_policy(request: HttpRequest, conversation_id: UUID) -> HttpResponse:
    here, policy = dialog_of(conversation_id), request.POST.get("policy", "")
    return act(request, lambda: Done(here, people.set_reply_policy(request.user, conversation_id, policy)), here)


@require_POST
@page
def conversation_invite(request: HttpRequest, conversation_id: UUID) -> HttpResponse:
    """A new link; the former one, if there was one, ends."""
    here = dialog_of(conversation_id)
    form = InviteForm(request.POST)
    if not form.is_valid():
        return refuse(request, Refused("An invitation cannot be like this.", code="bad_field"), here)

    def change() -> Done:
        role, days = form.cleaned_data["role"], int(form.cleaned_data["days"])
        return Done(dialog_of(invites.make_link(request.user, conversation_id, role, days)))

    return act(request, change, here)


@require_POST
@page
def conversation_invite_withdraw(request: HttpRequest, conversation_id: UUID) -> HttpResponse:
    def change() -> Done:
        invites.withdraw_link(request.user, conversation_id)
        return Done(dialog_of(conversation_id))

    return act(request, change, dialog_of(conversation_id))


@never_cache
@require_http_methods(["GET", "POST"])
def invite(request: HttpRequest, token: str) -> HttpResponse:
    """Who invites to what; joining, or an account first. All links that do not work get the same answer."""
    try:
        found = invites.find_invite(token)
    except InviteGone:
        return render(request, "chat/invite_gone.html", status=404)
    if not request.user.is_authenticated:
        request.session[INVITED] = token
        return render(request, "chat/invite.html", _invitation(found))
    if request.method == "POST":
        return _join(request, token)
    if invites.is_here(request.user, found):
        return redirect("conversation", found.conversation_id)
    return render(request, "chat/invite.html", _invitation(found))


def _join(request: HttpRequest, token: str) -> HttpResponse:
    def change() -> Done:
        conversation_id, after = invites.join(request.user, token)
        return Done(reverse("conversation", args=[conversation_id]), after)

    return act(request, change, reverse("invite", args=[token]))


def _invitation(found: Any) -> dict[str, Any]:
    by = person(found.created_by)["name"] if found.created_by else ""
    return {"title": str(found.conversation), "by": by, "role": found.role, "expires_at": found.expires_at}
