"""Where the key is: in the environment, or in a file that only its owner can read."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from chatsite.client.site import Site, SiteError

DEFAULT_SITE: Final = "http://127.0.0.1:8000"


def file() -> Path:
    home = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(home) / "chatsite" / "key.json"


@dataclass(frozen=True, slots=True)
class Known:
    address: str
    key: str


def stored() -> Known | None:
    try:
        data = json.loads(file().read_text())
        return Known(str(data["site"]), str(data["key"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def store(known: Known) -> Path:
    """Written beside and put in place, so that at no moment anybody else could read it or half of it was there."""
    place = file()
    place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    fresh = place.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as opened:
        json.dump({"site": known.address, "key": known.key}, opened)
    fresh.replace(place)
    return place


def forget() -> None:
    file().unlink(missing_ok=True)


def address(named: str | None, otherwise: str = DEFAULT_SITE) -> str:
    return (named or os.environ.get("CHATSITE_URL") or otherwise).rstrip("/")


def site(wanted: str | None = None) -> Site:
    """CHATSITE_KEY and CHATSITE_URL go before the file. A key is only given to the site that it was stored for."""
    known = stored()
    named = address(wanted, known.address if known else DEFAULT_SITE)
    if key := os.environ.get("CHATSITE_KEY"):
        return Site(named, key)
    if known is None or known.address != named:
        raise SiteError(f"No key for {named} is known: `chatsite login --site {named}`, or set CHATSITE_KEY.", "no_key")
    return Site(named, known.key)
