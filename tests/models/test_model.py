"""What counts as a model."""

from __future__ import annotations

import pytest

from riverrun.base.errors import InputError
from riverrun.models.model import ToolSpec, check_model
from riverrun.models.offline import OfflineModel
from tests.naming import steady


class Nameless:
    def stream(self, messages, tools=()):
        raise NotImplementedError


def test_a_model_is_given_back_as_it_is():
    model = OfflineModel()
    assert model is check_model(model)


@pytest.mark.parametrize("wrong", [None, "gpt", len, Nameless(), OfflineModel], ids=steady)
def test_what_is_no_model_is_refused(wrong):
    with pytest.raises(InputError) as caught:
        check_model(wrong)
    assert "E1016" == caught.value.code


def test_a_tool_without_parameters_takes_an_empty_object():
    assert {"type": "object", "properties": {}} == ToolSpec(name="now").parameters
