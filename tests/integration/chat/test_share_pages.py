"""The page of a shared conversation over HTTP: what stands on it, its headers, and the forms that make and end it."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client

from chat import instructions, share_views, shares
from chat.models import Conversation, Share, SharedMessage
from streaming.models import Generation
from streaming.request_rates import Rate
from tests.integration.chat.factories import end, make_conversation, make_person, send
from tests.valkey import Valkey

pytestmark = pytest.mark.django_db(transaction=True)


def logged_in(user: Any) -> Client:
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def scene(valkey: Valkey) -> tuple[Any, Any, Conversation]:
    ann, bob = make_person("ann", first_name="Ann"), make_person("bob", first_name="Bob")
    conversation = make_conversation(ann, members=[bob])
    end(send(bob, conversation, "Is <b>this</b> *so*?").generation, "It **is** so.")
    return ann, bob, conversation


def path_of(conversation: Conversation) -> str:
    link = shares.link_of(conversation)
    assert link is not None
    return f"/shared/{link.token}/"


def share_form(user: Any, conversation: Conversation, **fields: str) -> Any:
    form = {"days": "0", **fields}
    return logged_in(user).post(
        f"/conversations/{conversation.pk}/share/", form, headers={"Accept": "application/json"}
    )


def test_whoever_has_the_link_reads_the_copy_and_leaves_no_trace(scene: Any) -> None:
    ann, _, conversation = scene
    instructions.instruct(ann, conversation.pk, "Always be terse")
    Generation.objects.update(input_tokens=98765)
    assert share_form(ann, conversation).json()["go"] == f"/conversations/{conversation.pk}/#people"
    page = Client().get(path_of(conversation))
    text = page.content.decode()
    assert page.status_code == 200
    for words in ("Talk", "Is &lt;b&gt;this&lt;/b&gt; *so*?", "It <strong>is</strong> so.", "Person 1"):
        assert words in text
    for words in ("Bob", "bob", "Ann", "ann<", "terse", "98765", "<script", "<form", str(conversation.pk)):
        assert words not in text, words
    assert not page.cookies
    assert 'name="robots" content="noindex, nofollow, noarchive"' in text


def test_headers_keep_it_out_of_caches_indexes_and_other_sites_logs(scene: Any) -> None:
    ann, _, conversation = scene
    shares.take(ann, conversation.pk)
    for path, status in ((path_of(conversation), 200), ("/shared/nonsense/", 404)):
        page = Client().get(path)
        assert page.status_code == status
        assert page["X-Robots-Tag"] == "noindex, nofollow, noarchive"
        assert page["Referrer-Policy"] == "no-referrer"
        assert "no-store" in page["Cache-Control"]
        for rule in ("script-src 'none'", "connect-src 'none'", "form-action 'none'", "default-src 'none'"):
            assert rule in page["Content-Security-Policy"]
        assert "unsafe" not in page["Content-Security-Policy"]
    assert Client().post(path_of(conversation)).status_code == 405
    assert Client().head(path_of(conversation)).status_code == 200


def test_names_are_there_if_they_are_wanted(scene: Any) -> None:
    ann, _, conversation = scene
    share_form(ann, conversation, names="on")
    text = Client().get(path_of(conversation)).content.decode()
    assert "Bob" in text
    assert "bob" not in text  # the name that one logs in with


def test_links_that_do_not_work_say_the_same(scene: Any) -> None:
    ann, _, conversation = scene
    shares.take(ann, conversation.pk)
    path = path_of(conversation)
    logged_in(ann).post(f"/conversations/{conversation.pk}/share/withdraw/")
    answers = [Client().get(address) for address in (path, "/shared/nonsense/", f"/shared/{'a' * 300}/")]
    assert {answer.status_code for answer in answers} == {404}
    assert len({answer.content for answer in answers}) == 1
    assert "does not work, or not any more" in answers[0].content.decode()


def test_a_token_that_we_never_made_costs_no_query(scene: Any, django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(0):
        Client().get("/shared/0123456789abcdef0123456789abcdef.aaaa/")


def test_a_link_that_too_many_read_says_when_it_goes_on(scene: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    ann, _, conversation = scene
    shares.take(ann, conversation.pk)
    monkeypatch.setattr(share_views, "READS", Rate(2, 600.0))
    answers = [Client().get(path_of(conversation)) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert 1 <= int(answers[2]["Retry-After"]) <= 300
    assert "It <strong>" not in answers[2].content.decode()


def test_a_long_one_comes_page_by_page(scene: Any) -> None:
    ann, _, conversation = scene
    shares.take(ann, conversation.pk)
    share = Share.objects.get()
    more = [SharedMessage(share=share, number=number, person=1, text=f"Line {number}.") for number in range(3, 103)]
    SharedMessage.objects.bulk_create(more)
    path, seen = path_of(conversation), []
    for number in ("1", "2", "3"):
        seen += re.findall(r"Line (\d+)\.", Client().get(path, {"page": number}).content.decode())
    assert list(map(int, seen)) == list(range(3, 103))
    for odd in ("0", "-1", "999", "x", "9" * 500):
        assert Client().get(path, {"page": odd}).status_code == 200


def test_the_dialog_gives_the_link_to_owners_and_tells_everybody(scene: Any) -> None:
    ann, bob, conversation = scene
    address = f"/conversations/{conversation.pk}/"
    assert "share-heading" not in logged_in(bob).get(address).content.decode()
    assert "Whoever has the link reads a copy" in logged_in(ann).get(address).content.decode()
    shares.take(ann, conversation.pk, 7)
    assert f'value="http://testserver{path_of(conversation)}"' in logged_in(ann).get(address).content.decode()
    others = logged_in(bob).get(address).content.decode()
    assert "Whoever has the link reads this conversation as it was on" in others
    assert "/shared/" not in others


@pytest.mark.parametrize("fields", [{"days": "8"}, {"days": ""}, {"days": "x"}])
def test_odd_forms_are_refused(scene: Any, fields: dict[str, str]) -> None:
    ann, _, conversation = scene
    answer = share_form(ann, conversation, **fields)
    assert (answer.status_code, answer.json()["code"]) == (409, "bad_field")
    assert not Share.objects.exists()
