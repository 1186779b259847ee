"""The catalogue of error codes: what each means and how to mend it, offline (`riverrun explain CODE`).

One line of advice per code is what every error of that code carries unless the place that raises it knows better.
E1 graph · E2 input and requests · E3 runs and nodes · E4 stores · E5 connections · E6 command line and set-up.
A code is never given a second meaning and never removed.
"""

from __future__ import annotations

from riverrun.base.code import Code
from riverrun.base.codes_runs import RUNS

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
    "E1013": Code(
        "extra is not installed",
        "The part of Riverrun that was asked for needs a package that comes with an extra.",
        "Install the extra that the message names.",
    ),
    "E1014": Code(
        "not a tool",
        "A tool is a typed function: its name, its docstring and its annotations tell the model how to call it.",
        "Annotate every parameter, give it a docstring, and take no *args or **kwargs.",
    ),
    "E1015": Code(
        "two tools of one name",
        "A model calls a tool by its name, so two of one name could not be told apart.",
        "Give one of them another name: tool(function, name=…).",
    ),
    "E1016": Code(
        "not a model",
        "A model has a name and a method stream(messages, tools, **options) that gives typed pieces.",
        "Pass one of riverrun.models, or an object with both.",
    ),
    "E1017": Code(
        "object cannot be adopted",
        "What should run as an agent is nothing that Riverrun knows how to run.",
        "Give a compiled graph, an agent or a workflow of a library named, or a function.",
    ),
    "E1018": Code(
        "library of an agent is missing or too old",
        "The agent needs a library that is not installed, or that lacks what Riverrun uses of it.",
        "Install it by the line named.",
    ),
    "E1019": Code(
        "agent is not ready",
        "What should run as an agent is a class, or a graph that was not compiled.",
        "Give the instance, or what compile() gave back.",
    ),
    "E1020": Code(
        "agent and state share no key",
        "The agent becomes a sub graph, and no key that it takes or gives is a key of the state around it.",
        "Name the keys: adopt(agent, takes='question', gives='answer').",
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
    "E2019": Code(
        "malformed frame",
        "What was sent over a WebSocket is not one JSON object with a type and an id that the server knows.",
        "See section 12 of PROTOCOL.md for the frames and their fields.",
    ),
    "E2020": Code(
        "id in use",
        "An attachment on this socket has that id; what follows could not be told apart.",
        "Give each attach an id of its own, or detach the other one first.",
    ),
    "E2021": Code(
        "too many attachments",
        "One socket may be attached to so many runs at once and no more.",
        "Detach from a run that is no longer shown, or open another socket.",
    ),
    "E2025": Code(
        "offset beyond the text",
        "The message has less text than the offset says: it was taken back, or the offset never was right.",
        "Ask from offset 0, and hand back `attempt` from now on.",
    ),
    "E2026": Code(
        "no such message",
        "The log of the run has no chunk of a message of that id, or not yet.",
        "Use `message` as it stands in the chunks, and wait= for one that is still to come.",
    ),
    "E2027": Code(
        "reader has a newer connection",
        "A reader with the same name attached to the same run, and the older connection had to go.",
        "Give each reader a name of its own, or read on where the newer connection is.",
    ),
    "E2031": Code(
        "no such durable stream",
        "Nothing is at this path: it was never created, was deleted, or its time to live is over.",
        "Create it with PUT.",
    ),
    "E2032": Code(
        "durable stream was deleted",
        "The stream was deleted, but forks still stand on it: its path is not free yet.",
        "Read the forks, or take another path.",
    ),
    "E2033": Code(
        "durable stream is closed",
        "Its writer said that nothing will follow.",
        "Read it to its end, or fork it to go on.",
    ),
    "E2034": Code(
        "another content type",
        "What should be appended is of another type than the stream.",
        "Send the content type that HEAD of the stream says.",
    ),
    "E2035": Code(
        "writers are out of order",
        "The order of writers is kept byte by byte: each Stream-Seq must be larger than the one before.",
        "Send digits of equal length; or read the stream again, because another writer was faster.",
    ),
    "E2036": Code(
        "producer's epoch is over",
        "A newer incarnation of this producer has written already.",
        "Stop this one, or begin anew with a higher Producer-Epoch and Producer-Seq 0.",
    ),
    "E2037": Code(
        "producer left something out",
        "The producer's number is not the next one: an append before it did not arrive.",
        "Send what is missing first, from the number that Producer-Expected-Seq says.",
    ),
    "E2038": Code(
        "path holds another stream",
        "A stream is there with another type, life, origin or state, or what it should be forked from was deleted.",
        "Take another path, or ask for the stream as it is.",
    ),
    "E2039": Code(
        "malformed request to a durable stream",
        "A header, the path or the body is not what the protocol allows.",
        "See PROTOCOL.md, section 16, and the header named.",
    ),
    **RUNS,
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
    "E4009": Code(
        "checkpoint of no use",
        "A stored checkpoint is damaged, or of another graph or version than the one that would begin with it.",
        "Nothing: the run is recovered from its log instead, which takes longer.",
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
    "E6008": Code(
        "console was not built",
        "The page of the console is not part of this installation.",
        "In a checkout run `make console`; otherwise install the wheel of a release.",
    ),
}
