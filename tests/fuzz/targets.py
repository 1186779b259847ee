"""What `make fuzz` searches: the laws of whatever takes bytes from outside. It does not know how it is searched."""

from __future__ import annotations

from typing import NamedTuple


class Target(NamedTuple):
    """A property test, and the code of ours that a search of it is led by."""

    module: str
    law: str
    watched: str


TARGETS = {
    "sse": Target(
        "tests.wire.test_sse", "test_any_bytes_in_any_pieces_mean_what_the_standard_says", "riverrun.wire.sse"
    ),
    "request": Target("tests.wire.test_ws", "test_whatever_comes_is_a_request_or_refused", "riverrun.wire.ws"),
    "frame": Target("tests.wire.test_ws", "test_what_is_no_frame_is_a_fault_and_nothing_else", "riverrun.wire.ws"),
    "problem": Target("tests.wire.test_problem", "test_any_answer_makes_some_error_of_ours", "riverrun.wire.problem"),
    "batch": Target("tests.stores.test_batch", "test_rubbish_is_damage_and_nothing_else", "riverrun.stores"),
    "columns": Target("tests.stores.test_columns", "test_rubbish_is_refused", "riverrun.stores"),
}
