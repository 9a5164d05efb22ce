"""The forms about people, invitations, deleting and searching: who may send them, and what a plain browser sees."""

from __future__ import annotations

import re
from typing import Any, Final

import pytest
from django.contrib.auth import get_user_model
from django.test import Client

from chat import invites, people, shares
from chat.models import Conversation, Message, Participant
from tests.integration.chat.factories import end, make_conversation, make_person, send
from tests.valkey import Valkey

pytestmark = pytest.mark.django_db(transaction=True)

OWNER: Final = {"owner": "ok", "member": "forbidden", "viewer": "forbidden", "stranger": "not_found"}
MEMBER: Final = OWNER | {"member": "ok"}
FORMS: Final[dict[str, tuple[dict[str, Any], dict[str, str]]]] = {
    "rename/": ({"title": "Seas"}, MEMBER),
    "delete/": ({}, OWNER),
    "replies/": ({"policy": "off"}, OWNER),
    "people/": ({"username": "newcomer", "role": "member"}, OWNER),
    "people/{viewer}/role/": ({"role": "member"}, OWNER),
    "people/{viewer}/remove/": ({}, OWNER | {"viewer": "ok"}),
    "invite/": ({"role": "member", "days": "7"}, OWNER),
    "invite/withdraw/": ({}, OWNER),
    "share/": ({"days": "7"}, OWNER),
    "share/withdraw/": ({}, OWNER),
    "restore/": ({}, dict.fromkeys(OWNER, "not_found")),  # nothing is deleted
}


def logged_in(user: Any, **options: Any) -> Client:
    client = Client(**options)
    client.force_login(user)
    return client


@pytest.fixture
def scene(valkey: Valkey) -> tuple[dict[str, Any], Conversation]:
    everybody = {name: make_person(name) for name in ("owner", "member", "viewer", "stranger", "newcomer")}
    conversation = make_conversation(everybody["owner"], members=[everybody["member"]], viewers=[everybody["viewer"]])
    return everybody, conversation


@pytest.mark.parametrize("who", ["owner", "member", "viewer", "stranger"])
@pytest.mark.parametrize("form", FORMS)
def test_who_may_send_what(scene: Any, form: str, who: str) -> None:
    everybody, conversation = scene
    fields, expected = FORMS[form]
    path = f"/conversations/{conversation.pk}/{form.format(viewer=everybody['viewer'].pk)}"
    Message.objects.create(conversation=conversation, author=everybody["owner"], role="user", text="Hello")
    before = footprint(conversation)
    answer = logged_in(everybody[who]).post(path, fields, headers={"Accept": "application/json"})
    assert ("ok" if answer.status_code == 200 else answer.json()["code"]) == expected[who]
    assert (footprint(conversation) == before) is (expected[who] != "ok" or form.endswith("/withdraw/"))
    assert Client().post(path, fields).status_code == 302
    assert logged_in(everybody[who]).get(path).status_code == 405


def footprint(conversation: Conversation) -> Any:
    conversation.refresh_from_db()
    rows = Participant.objects.filter(conversation=conversation).order_by("pk").values_list("user_id", "role")
    links = invites.link_of(conversation), shares.link_of(conversation)
    return list(rows), conversation.revision, conversation.deleted_at, links


def test_a_deletion_is_taken_back_without_javascript(scene: Any) -> None:
    everybody, conversation = scene
    client = logged_in(everybody["owner"])
    page = client.post(f"/conversations/{conversation.pk}/delete/", follow=True).content.decode()
    assert "“Talk” was deleted." in page
    restore = re.search(r'id="undo" method="post" action="([^"]+)"', page)
    assert restore is not None
    assert client.get(f"/conversations/{conversation.pk}/").status_code == 404
    assert "was deleted" not in client.get("/").content.decode()  # offered once
    back = client.post(restore[1], follow=True)
    assert back.redirect_chain == [(f"/conversations/{conversation.pk}/", 302)]
    assert back.status_code == 200


def test_an_invitation_says_who_invites_to_what_and_lets_in(scene: Any) -> None:
    everybody, conversation = scene
    owner = logged_in(everybody["owner"])
    page = owner.post(f"/conversations/{conversation.pk}/invite/", {"role": "viewer", "days": "1"}, follow=True)
    link = re.search(r'value="http://testserver(/invite/[^"]+)"', page.content.decode())
    assert link is not None
    stranger = logged_in(everybody["stranger"])
    shown = stranger.get(link[1]).content.decode()
    for words in ("Talk", "owner invites you", "read along there, but not write", "logged in as stranger"):
        assert words in shown
    assert stranger.get(f"/conversations/{conversation.pk}/").status_code == 404
    assert stranger.post(link[1])["Location"] == f"/conversations/{conversation.pk}/"
    assert stranger.get(link[1])["Location"] == f"/conversations/{conversation.pk}/"
    assert Participant.objects.get(user=everybody["stranger"]).role == "viewer"
    member = logged_in(everybody["member"]).get(f"/conversations/{conversation.pk}/").content.decode()
    assert link[1] not in member


@pytest.mark.parametrize(("fields", "is_open"), [({}, False), ({"keep_link": "on"}, True)])
def test_removing_says_what_became_of_the_link(scene: Any, fields: dict[str, str], is_open: bool) -> None:
    everybody, conversation = scene
    invites.make_link(everybody["owner"], conversation.pk)
    old = invites.link_of(conversation)
    client = logged_in(everybody["owner"])
    assert "could come back with it" in client.get(f"/conversations/{conversation.pk}/").content.decode()
    words = "still works" if is_open else "lets nobody in any more"
    path = f"/conversations/{conversation.pk}/people/{{}}/remove/"
    answer = client.post(path.format(everybody["viewer"].pk), fields, headers={"Accept": "application/json"}).json()
    fresh = invites.link_of(conversation)
    assert old is not None
    assert fresh is not None
    assert (fresh == old) is is_open
    assert answer["link"] == ("open" if is_open else "reset")
    assert words in answer["said"]
    assert answer.get("invite_url") == (None if is_open else f"http://testserver/invite/{fresh.token}/")
    assert words in client.post(path.format(everybody["member"].pk), fields, follow=True).content.decode()


def test_links_that_do_not_work_say_the_same_to_everybody(scene: Any) -> None:
    everybody, conversation = scene
    invites.make_link(everybody["owner"], conversation.pk)
    reset = invites.link_of(conversation)
    invites.make_link(everybody["owner"], conversation.pk)
    assert reset is not None
    client = logged_in(everybody["stranger"])
    answers = [client.get(f"/invite/{token}/") for token in (reset.token, "nonsense", "a" * 300)]
    answers.append(client.post(f"/invite/{reset.token}/"))
    assert {answer.status_code for answer in answers} == {404}
    assert len({answer.content for answer in answers}) == 1
    assert "does not work, or not any more" in answers[0].content.decode()


def test_whoever_was_invited_may_make_an_account_and_nobody_else(scene: Any) -> None:
    everybody, conversation = scene
    invites.make_link(everybody["owner"], conversation.pk)
    link = invites.link_of(conversation)
    assert link is not None
    path = f"/invite/{link.token}/"
    form = {"username": "guest", "email": "", "password1": "correct horse 7", "password2": "correct horse 7"}
    nobody = Client()
    assert "Sign-up is closed" in nobody.get("/accounts/signup/").content.decode()
    nobody.post("/accounts/signup/", form)
    assert not get_user_model().objects.filter(username="guest").exists()
    guest = Client()
    assert "Make an account" in guest.get(path).content.decode()
    assert 'name="password2"' in guest.get(f"/accounts/signup/?next={path}").content.decode()
    assert guest.post("/accounts/signup/", {**form, "next": path})["Location"] == path
    assert guest.post(path)["Location"] == f"/conversations/{conversation.pk}/"
    late = Client()
    late.get(path)
    invites.withdraw_link(everybody["owner"], conversation.pk)
    assert "Sign-up is closed" in late.get("/accounts/signup/").content.decode()


def test_an_account_has_a_name_that_is_what_it_shows(scene: Any) -> None:
    everybody, conversation = scene
    invites.make_link(everybody["owner"], conversation.pk)
    link = invites.link_of(conversation)
    assert link is not None
    guest = Client()
    guest.get(f"/invite/{link.token}/")
    for name in ("own\u202eer", "own\u200ber", "<script>", "a b", "x" * 151):
        form = {"username": name, "password1": "correct horse 7", "password2": "correct horse 7"}
        assert guest.post("/accounts/signup/", form).status_code == 200, name
    assert get_user_model().objects.count() == len(everybody)


def test_a_search_works_without_javascript_and_leads_to_the_message(scene: Any) -> None:
    everybody, conversation = scene
    first = send(everybody["owner"], conversation, "The treasure <b>is</b> here")
    end(first.generation)
    for number in range(60):
        end(send(everybody["owner"], conversation, f"{number}").generation)
    client = logged_in(everybody["owner"])
    page = client.get("/search/?q=treasure").content.decode()
    assert "The <mark>treasure</mark> &lt;b&gt;is&lt;/b&gt; here" in page
    hit = re.search(rf'href="(/conversations/{conversation.pk}/\?at=\d+)#message-{first.message}"', page)
    assert hit is not None
    past = client.get(hit[1]).content.decode()
    assert f'id="message-{first.message}"' in past
    assert "To the newest messages" in past
    assert "Nothing was found." in client.get("/search/?q=gold").content.decode()
    assert (
        "To the newest messages" not in client.get(f"/conversations/{conversation.pk}/?at=999999999").content.decode()
    )
    too_long = client.get(f"/search/?q={'x' * 201}", follow=True).content.decode()
    assert "A search has at most 200 characters." in too_long


def test_adding_somebody_to_a_private_conversation_leads_to_its_copy(scene: Any) -> None:
    everybody, _ = scene
    private = make_conversation(everybody["owner"])
    end(send(everybody["owner"], private).generation)
    form = {"username": "member", "role": "member"}
    answer = logged_in(everybody["owner"]).post(f"/conversations/{private.pk}/people/", form)
    assert re.fullmatch(r"/conversations/[0-9a-f-]{36}/#people", answer["Location"])
    assert str(private.pk) not in answer["Location"]
    assert people.Participant.objects.filter(conversation=private).count() == 1
