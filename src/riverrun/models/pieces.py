"""What a chat model puts out while it answers: typed pieces, the same for every provider.

A piece is as small as the provider sent it; `riverrun.models.message` folds pieces to one message. Nothing here knows a
provider or waits.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

# Why an answer ended: by itself, at a limit of length, to have tools called, by a refusal, or to be gone on with.
Reason = Literal["stop", "length", "tool_calls", "refused", "paused"]


class Text(Struct, frozen=True, tag="text", gc=False):
    """A piece of the answer.

    Attributes:
        text: What follows the text before.
    """

    text: str


class Reasoning(Struct, frozen=True, tag="reasoning", omit_defaults=True, gc=False):
    """A piece of what the model thinks before it answers.

    Attributes:
        text: What follows the text of the same block.
        index: Which block, from 0.
        signature: What the provider wants back with the block.
        redacted: The block in a form that only the provider can read.
        encrypted: The same beside its text, of responses; readers of a run are not told it.
        id: The provider's own name of the block, where it wants that back.
    """

    text: str = ""
    index: int = 0
    signature: str = ""
    redacted: str = ""
    encrypted: str = ""
    id: str = ""


class ToolCall(Struct, frozen=True, tag="tool_call", omit_defaults=True, gc=False):
    """A fragment of a call of a tool.

    Attributes:
        index: Which call of this answer, from 0; fragments of several calls may come by turns.
        id: Id of the call, in its first fragment.
        name: Name of the tool, in its first fragment.
        arguments: What follows the JSON text of the arguments so far.
    """

    index: int
    id: str = ""
    name: str = ""
    arguments: str = ""


class Usage(Struct, frozen=True, tag="usage", omit_defaults=True, gc=False):
    """What the answer cost, in the provider's units. A later one takes the place of an earlier one.

    Attributes:
        input: Units read.
        output: Units written, those of reasoning included.
        cached: Of those read, how many came from the provider's cache.
        reasoning: Of those written, how many were reasoning.
    """

    input: int = 0
    output: int = 0
    cached: int = 0
    reasoning: int = 0


class Finish(Struct, frozen=True, tag="finish", omit_defaults=True, gc=False):
    """The answer is whole. Without this piece it was cut off.

    Attributes:
        reason: Why it ended.
        raw: The provider's own word for that.
    """

    reason: Reason
    raw: str = ""


Piece = Text | Reasoning | ToolCall | Usage | Finish
