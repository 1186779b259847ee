// The face of the package: start runs, attach to their logs, stop them, and fold what they tell.

export { AT_A_TIME, breath } from "./breath.js";
export { Client, type ClientOptions, type ListOptions, type StartOptions, type Transport } from "./client.js";
export type { Headers } from "./connect.js";
export { isTerminal } from "./decode.js";
export { ConnectionFault, ProtocolFault, RiverrunError } from "./errors.js";
export { parseCursor, Run } from "./run.js";
export { Subscription, type AttachOptions, type Change } from "./subscription.js";
export type { Surroundings } from "./surroundings.js";
export { CLOSE_DUTIES, PACE, RUN_DUTIES, type Close, type Duty, type Ending, type Pace, type State } from "./tables.js";
export type { Time } from "./time.js";
export type * from "./types.js";
export { View, type Message, type NodeState, type Verdict } from "./view.js";
export type { EventPage } from "./decode.js";
export type { ForkOptions, TextOptions } from "./run.js";
export type { Kept } from "./keeping.js";
export { LiveRun, liveRun, type Connection } from "./live.js";
