"""A picture of a plan, as Mermaid text: plain edges solid, chosen ones dotted, and what is not declared shown as such.

Nodes are numbered, so no name can be taken for syntax; names stand in quotes, with what Mermaid would read escaped.
"""

from __future__ import annotations

from riverrun.graph.node import END, START
from riverrun.graph.plan import Edge, Plan

_ESCAPES = str.maketrans({each: f"#{ord(each)};" for each in '"#<>&`\\|;'})


def draw_mermaid(plan: Plan) -> str:
    """Draw a plan.

    Args:
        plan: The graph.

    Returns:
        A Mermaid flowchart, one line per node and edge, in the order they were declared; it ends with a line break.
    """
    lines = ["flowchart TD"]
    undeclared = plan.undeclared()
    ends = any(edge.target == END for edge in plan.edges)
    for name in plan.names:
        if name == START:
            lines.append("    n0([START])")
        elif name != END:
            lines.append(f"    n{plan.number[name]}[{_quoted(name)}]")
        elif ends:
            lines.append(f"    n{plan.number[END]}([END])")
    if undeclared:
        lines.append('    any{{"any node"}}')
    lines += [_edge(plan, edge) for edge in plan.edges]
    lines += [f"    n{plan.number[source]} -. undeclared .-> any" for source in dict.fromkeys(undeclared)]
    return "\n".join(lines) + "\n"


def _edge(plan: Plan, edge: Edge) -> str:
    source, target = plan.number[edge.source], plan.number[edge.target]
    if edge.kind == "plain":
        return f"    n{source} --> n{target}"
    answers = _answers(plan, edge)
    return f"    n{source} -. {_quoted(answers)} .-> n{target}" if answers else f"    n{source} -.-> n{target}"


def _answers(plan: Plan, edge: Edge) -> str:
    """Give the answers that lead along an edge, where they are not simply the name of its target."""
    maps = [router.path_map or {} for router in plan.routers.get(edge.source, ())]
    found = [str(answer) for each in maps for answer, target in each.items() if target == edge.target]
    return ", ".join(answer for answer in dict.fromkeys(found) if answer != edge.target)


def _quoted(name: str) -> str:
    # What cannot be seen (a line break in an answer of a path map) would break the line: it is shown as Python does.
    shown = name if name.isprintable() else repr(name)[1:-1]
    return f'"{shown.translate(_ESCAPES)}"'
