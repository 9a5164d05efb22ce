from __future__ import annotations

import pytest
from pydantic import ValidationError

from chat.api.schemas import NewConversation, NewMessage


@pytest.mark.parametrize("fields", [{"title": "a\0"}, {"system_prompt": "\ud800"}, {"titel": "Tea"}, {"title": 3}])
def test_what_cannot_be_stored_or_is_not_known_is_refused(fields: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        NewConversation.model_validate(fields)


def test_everything_but_the_text_of_a_message_may_be_left_out() -> None:
    assert NewConversation.model_validate({}).title == ""
    assert NewMessage.model_validate({"text": "Tea?"}).model is None
