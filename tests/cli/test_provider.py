"""Which provider the demo asks, by the environment alone."""

from __future__ import annotations

import pytest

from riverrun.cli.provider import Provider, provider_of


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, None),
        ({"OPENAI_API_KEY": "", "OPENAI_BASE_URL": ""}, None),
        ({"OPENAI_MODEL": "m"}, None),
        ({"OPENAI_API_KEY": "sk"}, Provider("gpt-5-mini", "OpenAI", "OPENAI_API_KEY")),
        (
            {"OPENAI_BASE_URL": "http://u:secret@box:8000/v1", "OPENAI_MODEL": "m"},
            Provider("m", "box:8000", "OPENAI_BASE_URL"),
        ),
        ({"OPENAI_API_KEY": "sk", "OPENAI_BASE_URL": "odd"}, Provider("gpt-5-mini", "odd", "OPENAI_BASE_URL")),
    ],
)
def test_a_provider_is_asked_only_where_the_environment_names_one(environment, expected):
    assert expected == provider_of(environment)


def test_without_the_package_nobody_is_asked_and_the_line_that_installs_it_is_named(monkeypatch):
    provider = Provider("m", "OpenAI", "OPENAI_API_KEY")
    assert (True, "the summary is by m of OpenAI (OPENAI_API_KEY is set)") == (provider.usable, provider.told)
    monkeypatch.setattr("riverrun.cli.provider.find_spec", lambda name: None)
    assert not provider.usable
    assert 'pip install "riverrun[openai]"' in provider.told
