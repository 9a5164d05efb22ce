"""Light or dark, and the language: kept in cookies, true from the first byte of a page on."""

import re

import pytest
from django.test import Client

from tests.integration.chat.factories import make_person

pytestmark = pytest.mark.django_db


def _opening_tag(client: Client) -> str:
    return re.search(r"<html[^>]*>", client.get("/").content.decode())[0]


def _logged_in() -> Client:
    client = Client()
    client.force_login(make_person("ann"))
    return client


def test_without_a_choice_the_system_decides() -> None:
    assert "data-theme" not in _opening_tag(_logged_in())


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_chosen_theme_stands_in_the_next_page_and_can_be_taken_back(theme: str) -> None:
    client = _logged_in()
    assert client.post("/theme/", {"theme": theme, "next": "/"}).url == "/"
    assert f'data-theme="{theme}"' in _opening_tag(client)
    client.post("/theme/", {"theme": "", "next": "/"})
    assert "data-theme" not in _opening_tag(client)


def test_a_theme_that_does_not_exist_changes_nothing_and_a_foreign_address_is_not_gone_to() -> None:
    client = _logged_in()
    response = client.post("/theme/", {"theme": '"><script>', "next": "https://evil.example/"})
    assert response.url == "/"
    assert "data-theme" not in _opening_tag(client)
    client.cookies["theme"] = '"><script>'
    assert "script" not in _opening_tag(client)


def test_the_browsers_wish_and_then_the_persons_choice_decide_the_language() -> None:
    client = _logged_in()
    german = client.get("/", headers={"accept-language": "de-CH,de;q=0.9"}).content.decode()
    assert '<html lang="de"' in german
    client.post("/language/", {"language": "en", "next": "/"})
    assert '<html lang="en"' in client.get("/", headers={"accept-language": "de"}).content.decode()


def test_a_language_that_is_not_spoken_has_no_words() -> None:
    assert Client().get("/words/xx.js").status_code == 404


def test_a_language_without_plurals_of_its_own_is_served_too() -> None:
    script = Client().get("/words/en.js")
    assert script.status_code == 200
    assert "javascript" in script["content-type"]
    assert "max-age" in script["cache-control"]


@pytest.mark.parametrize("language", ["en", "de"])
def test_each_language_is_called_by_its_own_name(language: str) -> None:
    page = _logged_in().get("/", headers={"Accept-Language": language}).content.decode()
    assert re.findall(r'name="language"[^>]*>([^<]+)<', page) == ["English", "Deutsch"]
