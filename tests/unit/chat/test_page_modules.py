"""The import map and the modules agree: nothing is imported that the page could not find."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from django.contrib.staticfiles import finders
from django.core.management import call_command
from django.test import override_settings
from django.utils.functional import empty

from chat.templatetags import page_modules

ROOT = Path(__file__).resolve().parents[3]
IMPORT = re.compile(r'^(?:import\s+|(?:import|export)\s[^"=()]*?\bfrom\s+)"([^"]+)"', re.MULTILINE)


def modules() -> dict[str, str]:
    return json.loads(page_modules.import_map())["imports"]


def test_each_module_is_a_file_that_the_site_serves() -> None:
    assert {"chat/main.js", "chat/home.js", "streaming/index.js"} <= modules().keys()
    for address in modules().values():
        assert finders.find(address.removeprefix("/static/")), address


@pytest.mark.parametrize("package", ["chat", "streaming"])
def test_modules_import_by_names_of_the_map_and_never_upwards(package: str) -> None:
    for path in sorted((ROOT / package / "static").rglob("*.js")):
        for found in IMPORT.finditer(path.read_text()):
            name = found[1]
            assert name in modules(), f"{path.name} imports {name}"
            assert package == "chat" or name.startswith("streaming/"), f"{path.name} imports upwards: {name}"


def test_the_map_cannot_end_its_script_element() -> None:
    assert "<" not in page_modules.import_map()


def test_names_of_hashed_files_need_no_rewriting(tmp_path: Path) -> None:
    """With a manifest the map points to the hashed files, and their content is what we wrote."""
    from django.contrib.staticfiles.storage import staticfiles_storage

    storage = {"BACKEND": "django.contrib.staticfiles.storage.ManifestStaticFilesStorage"}
    with override_settings(STATIC_ROOT=tmp_path, STORAGES={"staticfiles": storage}):
        staticfiles_storage._wrapped = empty
        call_command("collectstatic", interactive=False, verbosity=0)
        address = modules()["streaming/index.js"]
        assert re.fullmatch(r"/static/streaming/js/index\.[0-9a-f]{12}\.js", address)
        hashed = tmp_path / address.removeprefix("/static/")
        assert hashed.read_text() == (ROOT / "streaming/static/streaming/js/index.js").read_text()
    staticfiles_storage._wrapped = empty
