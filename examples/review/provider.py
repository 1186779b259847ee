"""The summary by a model of a provider, in place of the extractive one.

Rules: nobody is asked unless the run's input names a model (`riverrun demo` names one where OPENAI_API_KEY or
OPENAI_BASE_URL is set); what is sent is an excerpt of bounded length.
"""

import os
from collections.abc import AsyncIterator, Sequence
from typing import Final

from riverrun.models.chat import text_of

from .documents import Document

EXCERPT_LIMIT_CHARACTERS: Final = 60_000
TASK: Final = (
    "Summarise these documents for somebody who has not read them: first one sentence on all of them, then a list of "
    "the most important points, each with the name of its document. Plain Markdown, at most 300 words."
)


def excerpt(documents: Sequence[Document]) -> str:
    """Join the documents, each cut so that all have their share of what may be sent.

    Args:
        documents: What was read.

    Returns:
        Their names and texts, at most about `EXCERPT_LIMIT_CHARACTERS` long.
    """
    share = EXCERPT_LIMIT_CHARACTERS // max(1, len(documents))
    return "\n\n".join(f"# {document.name}\n\n{_text(document)[:share]}" for document in documents)


def _text(document: Document) -> str:
    return "\n\n".join(block.text for block in document.blocks())


async def summarised_by(model: str, text: str) -> AsyncIterator[str]:
    """Stream a summary that a model writes.

    Args:
        model: Its name, as the provider of the environment calls it.
        text: What is summarised.

    Yields:
        Pieces of Markdown.

    Raises:
        RiverrunError: E1013, the extra `openai` is not installed; E3030 to E3035, the provider failed.
    """
    from riverrun.models.openai import OpenAIChat  # noqa: PLC0415  # an extra, needed only here

    # A server of one's own asks for no key; the SDK insists on one.
    asked = OpenAIChat(model, api_key=os.environ.get("OPENAI_API_KEY") or "none")
    try:
        async for piece in text_of(asked, text, system=TASK):
            yield piece
    finally:
        await asked.aclose()
