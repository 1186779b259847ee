"""The diagrams in docs/moves.md are made from the tables of moves, so that the page cannot say anything else."""

import os
from pathlib import Path

from riverrun.graph.moves import RUN_MOVES, STEP_MOVES, mermaid

PAGE = Path(__file__).parents[2] / "docs" / "moves.md"

TEXT = """# Moves

What a run and a step may do. Made from the tables in `src/riverrun/graph/moves.py`; to write it anew:
`RIVERRUN_WRITE_DOCS=1 make fast`. A signal that has no arrow is refused (E3012) and changes nothing.

## A run

```mermaid
{run}
```

## A step: one execution of a node, its attempts included

```mermaid
{step}
```
"""


def test_the_page_of_moves_is_what_the_tables_say():
    page = TEXT.format(run=mermaid(RUN_MOVES), step=mermaid(STEP_MOVES))
    if os.environ.get("RIVERRUN_WRITE_DOCS"):
        PAGE.write_text(page, encoding="utf-8")
    assert page == PAGE.read_text(encoding="utf-8")
