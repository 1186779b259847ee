"""The intended differences from LangGraph: for each, the program that shows it, what either engine gives, and why."""

from tests.differential.compare import Difference

MERGE_ORDER = (
    "Branches merge in the order in which the graph declares them, depth first; LangGraph merges step by step "
    "and by the names of the nodes. Only the order inside a list differs."
)
JOIN_ONCE = (
    "Branches that meet join once, however unequal they are: a node waits for whatever can still reach it. "
    "LangGraph runs it whenever something arrives, unless it has `defer=True` or a listed edge."
)
OWN_ANCESTORS = (
    "There is no barrier between steps, so a node sees what its own ancestors wrote, and nothing of a sibling "
    "that happened to be done earlier."
)
CONFLICT = (
    "Branches that do not know of each other may not write one key without a reducer, also when LangGraph "
    "happens to run them in different steps (there the later one wins)."
)
IN_PLACE = (
    "What a node changes in place in the state that it was given stays its own; only what it gives back is written."
)
UNKNOWN_KEY = (
    "A key that the state, or the input schema, does not have is an error that names it; LangGraph drops it in silence."
)
UNKNOWN_TARGET = (
    "A router, a `Command` or a `Send` that names a node that there is not ends the run (E3006); LangGraph "
    "warns in its log and goes on without it."
)
ROUTER_FAILS = (
    "A node is done when its routers have answered: if one fails, the node has failed, and its update is not "
    "told of. An answer that is not in the path map is E3006."
)
BUDGET = (
    "`recursion_limit` counts executions of nodes, and as many as it says may run; LangGraph counts steps and "
    "needs one more than the run takes."
)
REDUCER_FAILS = (
    "What a reducer raises is told as E3007, with the key and the node, and the update that it refused is not told of."
)
OVERWRITE = (
    "An `Overwrite` replaces what its node could know of; what a sibling wrote at the same time is reduced on "
    "top of it. LangGraph drops the sibling's write."
)
HANDLER = "What an error handler gives back is told under its node's own name; LangGraph makes a node of the handler."
INNER_WRITES = (
    "An inner graph gives the graph around it what its nodes wrote, so a list that both share does not double;"
    " LangGraph gives the whole inner state again."
)
DEFAULTS = "Defaults of a class are starting values of the state, also when nobody writes the key."
ONE_UPDATE = (
    "Several updates of one execution are told as one in the mode `updates`, combined by the reducers of their"
    " keys; LangGraph tells a list of them."
)
STRANGERS_INPUT = (
    "The input of a run is plain data: an `Overwrite` or a `Remove` in it is refused, because inputs come from "
    "strangers. `update_state` takes both."
)
REMOVAL = "To remove a message that is not there is no error: two branches may both have removed it."
INSTANCE = (
    "A node gives back a mapping of what changes. An instance of the state's class is refused: it does not say which "
    "of its fields were meant."
)
ANSWER_ALONE = "An answer is given alone: what is to be written belongs to the node that asked, or to `update_state`."
OWN_CACHE = "A cache policy is enough: without `compile(cache=)` a graph keeps outcomes in a cache of its own."
OPTIONS = "An option that this library does not know is refused, so that it cannot be passed over in silence."
CHECKED = "A node that nothing leads to, and an edge that is declared twice, are refused by `compile()` and `add_edge`."

DIFFERENCES = {
    "the_order_in_which_branches_merge": Difference(
        MERGE_ORDER,
        {"state": {"trace": ["aa", "mm", "zz"]}},
        {"state": {"trace": ["zz", "mm", "aa"]}},
    ),
    "branches_of_two_that_meet": Difference(
        MERGE_ORDER,
        {"state": {"trace": ["a", "b1", "c1", "b2", "c2", "d"]}},
        {"state": {"trace": ["a", "b1", "b2", "c1", "c2", "d"]}},
    ),
    "calls_that_make_calls": Difference(
        MERGE_ORDER,
        {"state": {"done": [4, 2, 2, 1, 1, 1, 1], "items": []}},
        {"state": {"done": [4, 2, 1, 1, 2, 1, 1], "items": []}},
    ),
    "branches_of_unequal_length": Difference(
        JOIN_ONCE,
        {
            "updates": [
                ["a", {"seen": ["a"]}],
                ["b", {"seen": ["b"]}],
                ["c1", {"seen": ["c1"]}],
                ["c2", {"seen": ["c2"]}],
                ["d", {"seen": ["d"]}],
                ["d", {"seen": ["d"]}],
            ]
        },
        {
            "updates": [
                ["a", {"seen": ["a"]}],
                ["b", {"seen": ["b"]}],
                ["c1", {"seen": ["c1"]}],
                ["c2", {"seen": ["c2"]}],
                ["d", {"seen": ["d"]}],
            ]
        },
    ),
    "branches_of_unequal_length_and_what_follows": Difference(
        JOIN_ONCE,
        {
            "updates": [
                ["a", {"seen": ["a"]}],
                ["b", {"seen": ["b"]}],
                ["c1", {"seen": ["c1"]}],
                ["c2", {"seen": ["c2"]}],
                ["d", {"seen": ["d"]}],
                ["d", {"seen": ["d"]}],
                ["e", {"seen": ["e"]}],
                ["e", {"seen": ["e"]}],
            ]
        },
        {
            "updates": [
                ["a", {"seen": ["a"]}],
                ["b", {"seen": ["b"]}],
                ["c1", {"seen": ["c1"]}],
                ["c2", {"seen": ["c2"]}],
                ["d", {"seen": ["d"]}],
                ["e", {"seen": ["e"]}],
            ]
        },
    ),
    "a_loop_in_a_branch_that_meets_another": Difference(
        JOIN_ONCE,
        {
            "updates": [
                ["a", {"seen": ["a"]}],
                ["b", {"seen": ["round 1"]}],
                ["b", {"seen": ["round 2"]}],
                ["b", {"seen": ["round 3"]}],
                ["d", {"seen": ["d"]}],
                ["d", {"seen": ["d"]}],
            ]
        },
        {
            "updates": [
                ["a", {"seen": ["a"]}],
                ["b", {"seen": ["round 1"]}],
                ["b", {"seen": ["round 2"]}],
                ["b", {"seen": ["round 3"]}],
                ["d", {"seen": ["d"]}],
            ]
        },
    ),
    "a_later_branch_does_not_see_its_sibling": Difference(
        OWN_ANCESTORS,
        {
            "state": {"trace": ["a", "b", "b2 saw a,b"]},
            "updates": [["a", {"trace": ["a"]}], ["b", {"trace": ["b"]}], ["b2", {"trace": ["b2 saw a,b"]}]],
        },
        {
            "state": {"trace": ["a", "b", "b2 saw b"]},
            "updates": [["a", {"trace": ["a"]}], ["b", {"trace": ["b"]}], ["b2", {"trace": ["b2 saw b"]}]],
        },
    ),
    "a_branch_that_ends_early": Difference(
        OWN_ANCESTORS,
        {
            "state": {"n": 3, "trace": ["a", "b", "b2"]},
            "updates": [["a", {"trace": ["a"]}], ["b", {"trace": ["b"]}], ["b2", {"trace": ["b2"]}], ["b3", {"n": 3}]],
        },
        {
            "state": {"n": 2, "trace": ["a", "b", "b2"]},
            "updates": [["a", {"trace": ["a"]}], ["b", {"trace": ["b"]}], ["b2", {"trace": ["b2"]}], ["b3", {"n": 2}]],
        },
    ),
    "two_writers_of_one_key_a_step_apart": Difference(
        CONFLICT,
        {"state": {"x": 1, "y": 1}, "error": None},
        {"state": {"x": 0}, "error": "InvalidUpdateError"},
    ),
    "what_a_node_changes_in_place": Difference(
        IN_PLACE,
        {"state": {"trace": ["input", "secret", "told", "b"]}},
        {"state": {"trace": ["input", "told", "b"]}},
    ),
    "a_node_that_writes_an_unknown_key": Difference(
        UNKNOWN_KEY,
        {"state": {"trace": ["a"]}, "updates": [["a", {"trace": ["a"]}]], "error": None},
        {"state": {"trace": []}, "updates": [], "error": "InvalidUpdateError"},
    ),
    "an_input_with_an_unknown_key": Difference(
        UNKNOWN_KEY,
        {"state": {"trace": ["a"]}, "updates": [["a", {"trace": ["a"]}]], "error": None},
        {"state": None, "updates": [], "error": "InvalidUpdateError"},
    ),
    "an_input_schema_bounds_what_is_taken": Difference(
        UNKNOWN_KEY,
        {
            "state": {"answer": "1 notes", "notes": ["thought about why"], "question": "why"},
            "updates": [["answer", {"answer": "1 notes"}], ["think", {"notes": ["thought about why"]}]],
            "error": None,
        },
        {"state": None, "updates": [], "error": "InvalidUpdateError"},
    ),
    "a_router_that_names_nobody": Difference(
        UNKNOWN_TARGET,
        {"state": {"n": 1, "trace": ["a"]}, "updates": [["a", {"trace": ["a"]}]], "error": None},
        {"state": {"n": 1, "trace": []}, "updates": [], "error": "E3006"},
    ),
    "a_command_to_nobody": Difference(
        UNKNOWN_TARGET,
        {"state": {"trace": ["a"]}, "updates": [["a", {"trace": ["a"]}]], "error": None},
        {"state": {"trace": []}, "updates": [], "error": "E3006"},
    ),
    "a_call_of_nobody": Difference(
        UNKNOWN_TARGET,
        {"updates": [["start", None]], "error": None},
        {"updates": [], "error": "E3006"},
    ),
    "a_router_that_raises": Difference(
        ROUTER_FAILS,
        {"updates": [["a", {"trace": ["a"]}]]},
        {"updates": []},
    ),
    "a_router_whose_answer_is_not_in_the_mapping": Difference(
        ROUTER_FAILS,
        {"updates": [["a", {"trace": ["a"]}]], "error": "KeyError"},
        {"updates": [], "error": "E3006"},
    ),
    "a_loop_that_just_fits_the_limit": Difference(
        BUDGET,
        {"error": "GraphRecursionError"},
        {"error": None},
    ),
    "a_fork_and_the_limit": Difference(
        BUDGET,
        {
            "state": {"seen": ["a", "b", "c", "d"]},
            "updates": [["a", {"seen": ["a"]}], ["b", {"seen": ["b"]}], ["c", {"seen": ["c"]}], ["d", {"seen": ["d"]}]],
        },
        {
            "state": {"seen": ["a", "b", "c"]},
            "updates": [["a", {"seen": ["a"]}], ["b", {"seen": ["b"]}], ["c", {"seen": ["c"]}]],
        },
    ),
    "a_reducer_that_fails": Difference(
        REDUCER_FAILS,
        {"updates": [["n0", {"key": 1}], ["n1", {"key": 2}]], "error": "LookupError"},
        {"updates": [["n0", {"key": 1}]], "error": "E3007"},
    ),
    "what_is_no_message": Difference(
        REDUCER_FAILS,
        {"updates": [["n0", {"messages": [5]}]], "error": "NotImplementedError"},
        {"updates": [], "error": "E3007"},
    ),
    "an_overwrite_beside_a_write": Difference(
        OVERWRITE,
        {"state": {"key": [9]}},
        {"state": {"key": [9, 1]}},
    ),
    "a_handler_is_reported": Difference(
        HANDLER,
        {"updates": [["__error_handler__a", {"trace": ["handled"]}]]},
        {"updates": [["a", {"trace": ["handled"]}]]},
    ),
    "a_graph_that_shares_a_list": Difference(
        INNER_WRITES,
        {
            "state": {"trace": ["input", "a", "input", "a", "i", "j", "z"]},
            "updates": [["a", {"trace": ["a"]}], ["sub", {"trace": ["input", "a", "i", "j"]}], ["z", {"trace": ["z"]}]],
        },
        {
            "state": {"trace": ["input", "a", "i", "j", "z"]},
            "updates": [["a", {"trace": ["a"]}], ["sub", {"trace": ["i", "j"]}], ["z", {"trace": ["z"]}]],
        },
    ),
    "defaults_that_nobody_touches": Difference(
        DEFAULTS,
        {"state": {"name": "x", "trace": ["a"]}},
        {"state": {"n": 7, "name": "x", "trace": ["a"]}},
    ),
    "a_list_of_commands": Difference(
        ONE_UPDATE,
        {"updates": [["a", [{"trace": ["x"]}, {"trace": ["y"]}]], ["b", {"trace": ["b"]}], ["c", {"trace": ["c"]}]]},
        {"updates": [["a", {"trace": ["x", "y"]}], ["b", {"trace": ["b"]}], ["c", {"trace": ["c"]}]]},
    ),
    "a_command_with_pairs": Difference(
        ONE_UPDATE,
        {"updates": [["a", [{"trace": ["x"]}, {"trace": ["y"]}]], ["b", {"trace": ["b"]}]]},
        {"updates": [["a", {"trace": ["x", "y"]}], ["b", {"trace": ["b"]}]]},
    ),
    "a_node_that_nothing_leads_to": Difference(
        CHECKED,
        {"error": None},
        {"error": "ValueError"},
    ),
    "the_same_edge_twice": Difference(
        CHECKED,
        {"error": None},
        {"error": "ValueError"},
    ),
    "an_overwrite_in_the_input": Difference(
        STRANGERS_INPUT,
        {"error": None, "state": {"key": [7, 1]}, "updates": [["n0", {"key": [1]}]]},
        {"error": "InvalidUpdateError", "state": None, "updates": []},
    ),
    "a_removal_of_a_message_that_is_not_there": Difference(REMOVAL, {"error": "ValueError"}, {"error": None}),
    "a_node_that_gives_back_an_instance": Difference(
        INSTANCE,
        {
            "error": None,
            "state": {"n": 2, "name": "y", "trace": ["input", "a"]},
            "updates": [["a", {"n": 2, "name": "y", "trace": ["a"]}]],
        },
        {"error": "InvalidUpdateError", "state": {"n": 7, "name": "x", "trace": ["input"]}, "updates": []},
    ),
    "an_answer_that_also_writes": Difference(
        ANSWER_ALONE,
        {
            "error": None,
            "state": {"trace": ["a", "beside", "name?=Ann", "c"]},
            "updates": [["b", {"trace": ["name?=Ann"]}], ["c", {"trace": ["c"]}]],
        },
        {"error": "E2016", "state": None, "updates": []},
    ),
    "without_a_cache_nothing_is_kept": Difference(OWN_CACHE, {"calls": 2}, {"calls": 1}),
    "chosen_keys": Difference(
        OPTIONS, {"error": None, "told": [{"n": 0}, {"n": 1}]}, {"error": "ValueError", "told": None}
    ),
}
