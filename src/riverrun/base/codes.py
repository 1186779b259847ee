"""The catalogue of error codes: what each means and how to mend it, offline (`riverrun explain CODE`).

One line of advice per code is what every error of that code carries unless the place that raises it knows better.
E1 graph · E2 input and requests · E3 runs and nodes · E4 stores · E5 connections · E6 command line and set-up.
A code is never given a second meaning and never removed.
"""

from __future__ import annotations

from typing import NamedTuple


class Code(NamedTuple):
    """One entry of the catalogue."""

    title: str
    why: str
    mend: str


CODES: dict[str, Code] = {
    # E1: a graph that cannot be compiled
    "E1001": Code(
        "duplicate node",
        "Two nodes were added under one name; events could not tell them apart.",
        "Give one of them another name: add_node('name', function).",
    ),
    "E1002": Code(
        "reserved or malformed name",
        "START, END and names with '/', ':' or control characters have a meaning of their own in paths and ids.",
        "Use letters, digits, '_', '-', '.' and spaces in a node's name.",
    ),
    "E1003": Code(
        "edge to nowhere",
        "An edge or a path map names a node that was never added.",
        "Add the node, or correct the name in the edge.",
    ),
    "E1004": Code(
        "no way in",
        "The graph has no edge from START, so a run would have nothing to do.",
        "Add graph.add_edge(START, 'first_node').",
    ),
    "E1005": Code(
        "unreachable node",
        "No path leads from START to the node, so it would never run.",
        "Add an edge to it, or remove it.",
    ),
    "E1006": Code(
        "not a node function",
        "A node is a function or method (state) or (state, ctx); what was given cannot be called that way.",
        "Pass a function that takes the state, and optionally a second parameter named ctx.",
    ),
    "E1007": Code(
        "not a state schema",
        "The state is a class with annotated keys, such as a TypedDict.",
        "Declare it as class State(TypedDict): key: type.",
    ),
    "E1008": Code(
        "reducer cannot be used",
        "The metadata of an Annotated key is not a function of two values.",
        "Use Annotated[list, operator.add] or any function (old, new) -> value.",
    ),
    "E1009": Code(
        "edge declared twice",
        "The same plain edge was added twice; a second trigger would never do anything.",
        "Remove one of the two.",
    ),
    "E1010": Code(
        "edge that cannot be",
        "START has no way in and END has no way out.",
        "Turn the edge around, or name a node in place of START or END.",
    ),
    "E1011": Code(
        "unknown option",
        "An option of add_node or compile is not known to this version.",
        "See the documentation of StateGraph for the options of this version.",
    ),
    "E1012": Code(
        "policy cannot be used",
        "A retry policy, a time-out, a join or another setting of a node is not what it should be.",
        "See the node and the value named.",
    ),
    # E2: input and requests
    "E2001": Code(
        "invalid JSON",
        "The body of the request is not a JSON document.",
        "Send one JSON object with content-type application/json.",
    ),
    "E2002": Code(
        "wrong type or missing field",
        "The request is JSON, but a field has the wrong type or is missing.",
        "Compare the body with /openapi.json.",
    ),
    "E2003": Code(
        "body over the limit",
        "The request is larger than the server accepts.",
        "Send less, or raise max_body_bytes on the server.",
    ),
    "E2004": Code(
        "unknown graph",
        "The server serves no graph of that name.",
        "GET /v1/graphs lists the names; add yours to create_app({...}).",
    ),
    "E2005": Code(
        "unknown run",
        "This tenant has no run of that id in this store.",
        "Check the id and the tenant; `riverrun runs list` shows what is there.",
    ),
    "E2006": Code(
        "place beyond the log",
        "`after` names an event that the log does not have yet.",
        "Attach with the seq of the last event that you applied, or 0 for all.",
    ),
    "E2007": Code(
        "malformed cursor",
        "A cursor is a number, or `<log>.<number>` as it stood in an event's id.",
        "Send back the id exactly as it was received.",
    ),
    "E2008": Code(
        "cursor of another log",
        "The cursor belongs to another log than the one this run has now.",
        "Attach from 0: what was read belongs to a log that is gone.",
    ),
    "E2009": Code(
        "run has ended",
        "The run has its last event; nothing can be asked of it any more.",
        "Read its log, or start a new run.",
    ),
    "E2010": Code(
        "input does not fit the state",
        "The input of the run names a key that the state does not have, or is not a mapping.",
        "Give a mapping with keys of the state schema.",
    ),
    "E2011": Code(
        "no such route",
        "The server has nothing at this path, or not for this method.",
        "See /openapi.json for the routes.",
    ),
    "E2012": Code(
        "no acceptable form",
        "The events of a run come as text/event-stream or application/json.",
        "Send an Accept header with one of the two, or none.",
    ),
    "E2013": Code(
        "key used for another request",
        "The Idempotency-Key was used before with a different body.",
        "Use a new key for a new request.",
    ),
    "E2014": Code(
        "host or origin not allowed",
        "The request came by a name that is not this server's, or from a page of another site.",
        "Name yours on the server: allowed_hosts (RIVERRUN_ALLOWED_HOSTS), allowed_origins (RIVERRUN_ALLOWED_ORIGINS).",
    ),
    "E2015": Code(
        "no such question",
        "An answer names a question that the run does not ask, or no longer, or names none where several are open.",
        "Answer by id: the questions that are open stand in the last run.interrupted.",
    ),
    "E2016": Code(
        "run cannot be gone on with",
        "There is nothing in this run or thread that could be resumed, forked or edited that way.",
        "See the state of the thread or run: what is next, and which questions are open.",
    ),
    "E2017": Code(
        "not authenticated",
        "The server asks who comes, and does not know this key or found none.",
        "Send Authorization: Bearer and a key of this server (Client(key=…), RIVERRUN_KEY).",
    ),
    "E2018": Code(
        "not permitted",
        "The principal is known, but its scopes do not have what this route needs.",
        "Use a key that has the scope, or give it to this one.",
    ),
    # E3: runs and nodes
    "E3001": Code(
        "node failed",
        "The function of a node raised an exception.",
        "See the place named; the run's other work is in the log.",
    ),
    "E3002": Code(
        "node gave back a wrong type",
        "A node gives back a mapping, None, or a stream under a key.",
        "Return {'key': value} with keys of the state.",
    ),
    "E3003": Code(
        "unknown key",
        "A node wrote a key that the state does not have.",
        "Add the key to the state schema, or correct its name.",
    ),
    "E3004": Code(
        "concurrent writes to one key",
        "Branches that do not know of each other wrote one key that has no reducer.",
        "Give the key a reducer: Annotated[type, function], or let only one branch write it.",
    ),
    "E3005": Code(
        "budget of steps exceeded",
        "The run executed as many nodes as recursion_limit allows.",
        "Raise recursion_limit, or look for a loop that never ends.",
    ),
    "E3006": Code(
        "router gave back an unknown target",
        "A conditional edge or a Command named a node that the graph does not have.",
        "Return the name of a node, a list of names, END, or a key of the path map.",
    ),
    "E3007": Code(
        "reducer failed",
        "The reducer of a key raised an exception.",
        "See the key and the values named.",
    ),
    "E3008": Code(
        "value cannot be stored",
        "A value that a node wrote or streamed is not JSON and cannot go into a durable log.",
        "Write plain data: text, numbers, lists, mappings, dataclasses, msgspec Structs.",
    ),
    "E3009": Code(
        "the log does not fit the graph",
        "The log was written by another version of the graph: replaying it gives other events.",
        "Let runs end before a graph is changed, or start the run anew.",
    ),
    "E3010": Code(
        "too many runs",
        "The limit of running and waiting runs is reached.",
        "Try again after the time named, or raise max_running or max_waiting.",
    ),
    "E3011": Code(
        "run ended without a result",
        "The run that was waited for failed, was stopped or timed out.",
        "Its last event says how and why.",
    ),
    "E3012": Code(
        "illegal move",
        "A machine was given a signal that its state does not allow.",
        "This is a defect of the caller: see the state and the signal named.",
    ),
    "E3013": Code(
        "key with a reducer was given no starting value",
        "The reducer needs an old value and the key has none.",
        "Give the key in the input.",
    ),
    "E3014": Code(
        "graph is gone",
        "A run was found whose graph this worker does not serve.",
        "Serve a graph of that name, or stop the run.",
    ),
    "E3015": Code(
        "buffer is full",
        "A producer on the event loop's own thread put in more than the buffer between it and the run holds.",
        "Raise the limit, push from another thread (which then waits), or give a stream that can wait.",
    ),
    "E3016": Code(
        "node timed out",
        "An attempt of a node took longer than its time-out allows.",
        "Raise the time-out named, give the node a retry policy, or see what it waits for.",
    ),
    "E3017": Code(
        "too few branches arrived",
        "A node with a join needs more branches that end well than there were.",
        "See the failures named, or lower the number that is needed.",
    ),
    "E3018": Code(
        "thread is busy",
        "The thread has a run that has not ended; two at once would lose what one of them writes.",
        "Wait for it, stop it, or answer its questions; or let runs of a thread queue up (when_busy).",
    ),
    "E3019": Code(
        "no graph around this one",
        "A node of the outermost graph returned a Command for the graph around it.",
        "Leave out graph=Command.PARENT, or run this graph as a node of another.",
    ),
    "E3020": Code(
        "used outside a node",
        "interrupt, get_stream_writer and get_config only mean something while a node runs.",
        "Call it in a node, or in what a node calls; take ctx as a parameter where threads of your own are used.",
    ),
    "E3021": Code(
        "node did not end when it was told to",
        "A node went on after it was cancelled, longer than stop_grace allows; its output is refused from then on.",
        "Let CancelledError pass: a handler that catches it must raise it again.",
    ),
    "E3022": Code(
        "run waits for answers",
        "The run is parked until its questions are answered, and nobody here could be asked.",
        "Answer it with `riverrun runs resume RUN --answer …`.",
    ),
    # E4: stores
    "E4001": Code(
        "store cannot be opened",
        "The path of the store cannot be created, read or written.",
        "Name a file in a directory that exists and that this user may write to.",
    ),
    "E4002": Code(
        "store cannot be written",
        "The store refused a write: the disk is full, read-only or gone. What was acknowledged is kept.",
        "Free space or mend the disk; runs go on from their last event.",
    ),
    "E4003": Code(
        "not a Riverrun store",
        "The file is damaged, or was made by another program or a newer version.",
        "Name another file; this one was left as it is.",
    ),
    "E4004": Code(
        "fenced",
        "Another worker has taken the run over.",
        "Nothing: this worker writes no more to that run.",
    ),
    "E4005": Code(
        "head moved",
        "The log is not where the writer thought it was.",
        "Read the tail and compare before writing again.",
    ),
    "E4006": Code(
        "unknown store",
        "A store is named memory: or sqlite:///path.",
        "Use one of the two forms.",
    ),
    "E4007": Code(
        "log trimmed",
        "The events asked for were removed by retention.",
        "Attach from the floor named.",
    ),
    "E4008": Code(
        "run cannot be taken in",
        "What should be the exported log of a run is no log, not whole, of a newer version, or of an unfinished run.",
        "Export the run again, and give the file as it was written.",
    ),
    # E5: connections
    "E5001": Code(
        "server not reached",
        "No connection could be made, or every try failed.",
        "Check that the server runs and that the address is right.",
    ),
    "E5002": Code(
        "stream broke",
        "The connection ended without a terminal event.",
        "The client reconnects by itself; this error means that it gave up.",
    ),
    "E5003": Code(
        "answer not understood",
        "The server sent what PROTOCOL.md does not allow.",
        "Check that the address is that of a Riverrun server of a fitting version.",
    ),
    "E5004": Code(
        "events out of order",
        "An event does not continue the sequence.",
        "The client reads again from its last event.",
    ),
    "E5005": Code(
        "no answer in time",
        "The address was asked, and nothing came back within the time-out.",
        "Check that the server is not overloaded and that no proxy holds its answers back.",
    ),
    # E6: command line and set-up
    "E6001": Code(
        "module does not import",
        "The Python module that was named raised an exception while it was imported.",
        "Mend the line named, then try again.",
    ),
    "E6002": Code(
        "no graph there",
        "The name does not lead to a compiled graph.",
        "Write module:name, where name is what compile() gave back.",
    ),
    "E6003": Code(
        "port is taken",
        "Another program listens on the address.",
        "Choose another port with --port, or 0 for any free one.",
    ),
    "E6004": Code(
        "file cannot be read",
        "A file that was named does not exist or cannot be read.",
        "Check the path and its permissions.",
    ),
    "E6005": Code(
        "unknown code",
        "There is no error of that code.",
        "`riverrun explain` without a code lists them all.",
    ),
    "E6006": Code(
        "option cannot be taken",
        "An option of a call or of the command has a value that cannot be used.",
        "Take one of the values that the message names; for a command see --help.",
    ),
    "E6007": Code(
        "internal defect",
        "Riverrun itself went wrong; the log says more.",
        "Please report it with the code and the server's log.",
    ),
}
