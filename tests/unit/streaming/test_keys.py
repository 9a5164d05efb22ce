from __future__ import annotations

import inspect
import re

from streaming import keys

ID = "0b6f3a52-8f0e-4d2c-9a55-2f6d0a6b7c11"


def hash_tag(key: str) -> str:
    """What a cluster hashes: see its specification."""
    found = re.search(r"\{(.+?)\}", key)
    return found.group(1) if found else key


def test_all_keys_of_one_generation_live_in_one_slot_of_a_cluster() -> None:
    names = [keys.stream_meta(ID), keys.stream_log(ID), keys.stream_stop(ID)]
    assert {hash_tag(name) for name in names} == {ID}
    assert len(set(names)) == 3


def test_every_single_key_stands_in_the_table_of_the_module() -> None:
    made = [function("<id>") for _, function in inspect.getmembers(keys, inspect.isfunction)]
    constants = [value for name, value in vars(keys).items() if name.isupper()]
    singles = [key for key in [*made, *constants] if isinstance(key, str)]
    assert len(singles) >= 5
    for key in singles:
        assert key in (keys.__doc__ or "")
