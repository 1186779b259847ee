// What goes wrong, with a code of the catalogue: what happened, where, and how to mend it.
// It does not know who catches it.

import { MENDS } from "./tables.js";

/** What belongs to an error beside its code and message. */
export interface About {
  /** The place: an address, an option, a run. */
  readonly where?: string;
  /** What to do about it; by default what the catalogue says. */
  readonly mend?: string;
  /** Status of the response, where there was one. */
  readonly status?: number;
  /** Seconds after which a new try makes sense, where the server said so. */
  readonly retryAfter?: number | null;
  /** For places: seq of the last committed event. */
  readonly head?: number | null;
  /** For places: seq before the first event that is left. */
  readonly floor?: number | null;
}

/** An error of this client or of the server; `riverrun explain <code>` tells more. */
export class RiverrunError extends Error {
  override readonly name: string = "RiverrunError";
  readonly code: string;
  readonly where: string;
  readonly mend: string;
  readonly status: number | null;
  readonly retryAfter: number | null;
  readonly head: number | null;
  readonly floor: number | null;

  constructor(code: string, message: string, about: About = {}) {
    super(`${code} ${message}`);
    this.code = code;
    this.where = about.where ?? "";
    this.mend = about.mend ?? (Object.hasOwn(MENDS, code) ? MENDS[code]! : "See the server's log.");
    this.status = about.status ?? null;
    this.retryAfter = about.retryAfter ?? null;
    this.head = about.head ?? null;
    this.floor = about.floor ?? null;
  }
}

/** The network: a new try may help. */
export class ConnectionFault extends RiverrunError {
  override readonly name = "ConnectionFault";
}

/** The other side sent what PROTOCOL.md does not allow: a new try would not help. */
export class ProtocolFault extends RiverrunError {
  override readonly name = "ProtocolFault";
}
