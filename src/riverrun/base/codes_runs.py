"""The part of the catalogue that is about runs and nodes: E3. See `riverrun.base.codes`."""

from __future__ import annotations

from riverrun.base.code import Code

RUNS: dict[str, Code] = {
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
    "E3030": Code(
        "model provider not reached",
        "No connection to the provider could be made, or it broke before the answer began.",
        "Check the address and the network; a retry policy tries again.",
    ),
    "E3031": Code(
        "model's answer broke off",
        "The provider's stream ended without a finish reason, so what came may be cut short.",
        "Give the node a retry policy; the text so far is void then.",
    ),
    "E3032": Code(
        "model provider is busy",
        "The provider answered that it is overloaded, limits the rate, or failed on its side.",
        "Try again after the time named; a retry policy does so, and waits as long as the provider asks for.",
    ),
    "E3033": Code(
        "model provider refused the request",
        "The provider does not take the request: the key, the name of the model, a message or an option.",
        "See what the provider says; the same request would be refused again.",
    ),
    "E3034": Code(
        "model provider reported an error",
        "The provider began to answer and then told of an error in its stream.",
        "See what the provider says.",
    ),
    "E3035": Code(
        "model's answer not understood",
        "What the provider sent is not what its own protocol allows.",
        "Check that the base URL is that of a provider of this kind.",
    ),
    "E3036": Code(
        "arguments do not fit the tool",
        "A model called a tool with arguments that are no JSON object or do not fit the tool's parameters.",
        "Nothing: the model is told and may call again. If it happens often, describe the parameters better.",
    ),
    "E3037": Code(
        "tool failed",
        "The function of a tool raised an exception.",
        "See the exception named; the model is told and goes on.",
    ),
    "E3038": Code(
        "tool took too long",
        "A tool did not end within its time-out.",
        "Raise timeout= of the tool, or see what it waits for; the model is told and goes on.",
    ),
    "E3039": Code(
        "tool gave back too much",
        "What a tool gave back is larger than a model should read; only its beginning was kept.",
        "Raise max_bytes= of the tool, or let it give back less.",
    ),
    "E3040": Code(
        "no such tool",
        "A model called a tool that the agent does not have.",
        "Nothing: the model is told the names of the tools and may call again.",
    ),
    "E3041": Code(
        "tool call was not approved",
        "Whoever was asked did not allow the call.",
        "Nothing: the model is told and goes on without it.",
    ),
    "E3042": Code(
        "tool call was cut off",
        "The run ended while the tool was at work, so nobody knows what came of it.",
        "Nothing: the model is told when the conversation goes on.",
    ),
    "E3043": Code(
        "tool server failed",
        "An MCP server cannot be reached, or did not keep to its protocol.",
        "Check the command or the address of the server, and what it writes to its log.",
    ),
    "E3044": Code(
        "pool of threads is full",
        "All threads for sync code work, and as many calls wait as may.",
        "Raise pool_max or pool_queue, let callers wait (pool_full), or write the node async.",
    ),
    "E3045": Code(
        "agent gave what cannot be stored",
        "An adopted agent gave back, or needs in order to go on, a value that is not JSON.",
        "Let it give plain data, dataclasses or pydantic objects; leave the key out of its output.",
    ),
    "E3046": Code(
        "agent was left in the middle",
        "The worker of an adopted agent died while the agent worked, and it is not allowed to begin anew.",
        "See what it had done, then start a run again; or adopt it with recover='restart'.",
    ),
    "E3047": Code(
        "agent cannot go on from what was saved",
        "What an adopted agent left when it asked cannot be read by the agent as it is now.",
        "Install the version that wrote it and keep its names, or start the run anew.",
    ),
    "E3048": Code(
        "agent ended without a result",
        "An adopted agent came to its end and gave no result, so what it said may not be all.",
        "See the end of what it said, and what its library says of it.",
    ),
    "E3055": Code(
        "address may not be spoken to",
        "The address that was named leads to this machine or network, or is to be spoken to in a way that is not safe.",
        "Name an https address of the public network, or allow this one in `egress=` (`loopback=True` in development).",
    ),
    "E3056": Code(
        "redirect refused",
        "A machine that was asked named another address instead of answering.",
        "Name the address where the agent is; redirects are not followed, because nobody has checked them.",
    ),
    "E3057": Code(
        "answer refused",
        "An answer took too long, was too long, or was packed in a way that cannot be measured.",
        "Ask the other side for less, or raise the limits in `egress=`.",
    ),
    "E3058": Code(
        "remote agent failed",
        "The agent of another machine said that it failed, refused the task, or ended it by itself.",
        "Look at what it says; what it did until then is in the log.",
    ),
    "E3059": Code(
        "agent card is of no use",
        "There is no card of an agent at the address, or it names no way to speak to the agent that may be taken.",
        "Check the address; an agent at another origin has to be allowed by `origins=`.",
    ),
    "E3060": Code(
        "remote agent was lost",
        "The connection to the agent of another machine broke, and could not be made again in time.",
        "Look whether the agent is reachable; a retry policy of the node tries again, and goes on with its task.",
    ),
    "E3061": Code(
        "remote agent took back what it said",
        "After a break the agent gave another text than the one that readers had seen the beginning of.",
        "A retry policy of the node lets readers begin anew with what the agent has now.",
    ),
    "E3062": Code(
        "remote agent asks who we are",
        "The agent of another machine asks for credentials that were not given, or does not take them.",
        "Give them in `credentials=`, by the names of the schemes that its card lists.",
    ),
}
