"""`manage.py` itself: what people see before Django has read its settings."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest
from django.core import management

MANAGE = Path(__file__).resolve().parents[3] / "manage.py"


def test_ctrl_c_while_it_starts_is_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(words: list[str]) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(management, "execute_from_command_line", interrupted)
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(MANAGE), run_name="__main__")
    assert ended.value.code == 130
