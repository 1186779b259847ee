"""Which provider the demo asks: what the environment says, said aloud, because documents are sent there.

It knows no model and sends nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from typing import NamedTuple
from urllib.parse import urlsplit

DEFAULT_MODEL = "gpt-5-mini"
_KEY, _ADDRESS, _MODEL = "OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_MODEL"


class Provider(NamedTuple):
    """A provider of models.

    Attributes:
        model: Name of the model that is asked.
        where: Whose it is, for people: the host.
        because: The variable that says so.
    """

    model: str
    where: str
    because: str

    @property
    def told(self) -> str:
        """What is said aloud: who is asked and why; or that nobody is, because the package for it is not there."""
        if self.usable:
            return f"the summary is by {self.model} of {self.where} ({self.because} is set)"
        return f'{self.because} is set, but nobody is asked: pip install "riverrun[openai]" is needed for that'

    @property
    def usable(self) -> bool:
        """Whether the package that speaks to it is installed."""
        return find_spec("openai") is not None


def provider_of(environment: Mapping[str, str]) -> Provider | None:
    """Read from the environment which provider is to be asked.

    Args:
        environment: OPENAI_API_KEY or OPENAI_BASE_URL chooses one, OPENAI_MODEL its model.

    Returns:
        The provider; None where neither is set.
    """
    key, address = environment.get(_KEY, ""), environment.get(_ADDRESS, "")
    if not key and not address:
        return None
    where = urlsplit(address).netloc.rpartition("@")[2] if address else "OpenAI"
    return Provider(environment.get(_MODEL) or DEFAULT_MODEL, where or address, _ADDRESS if address else _KEY)
