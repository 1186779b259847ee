// The time that one request may take, and what is said when that is over. It does not know fetch.

import { ConnectionFault, RiverrunError } from "./errors.js";
import type { Time } from "./time.js";

/** The time that one request may take, and the way to end it before. */
export class Limit {
  private readonly controller = new AbortController();
  private late = false;
  private kept = false;
  private readonly cancel: () => void;

  constructor(
    time: Time,
    private readonly seconds: number,
    private readonly outer?: AbortSignal,
  ) {
    this.cancel = time.after(seconds, () => {
      this.late = true;
      this.abort();
    });
    if (outer?.aborted) this.abort();
    outer?.addEventListener("abort", this.abort);
  }

  get signal(): AbortSignal {
    return this.controller.signal;
  }

  readonly abort = (): void => {
    this.outer?.removeEventListener("abort", this.abort);
    this.controller.abort();
  };

  /** The head is here; the body may take as long as it likes. */
  keep(): void {
    this.kept = true;
  }

  /** The answer is here, or will not be. */
  over(): void {
    this.cancel();
    if (!this.kept) this.outer?.removeEventListener("abort", this.abort);
  }

  fault(error: unknown, where: string): RiverrunError {
    if (error instanceof RiverrunError) return error;
    if (this.late) return new ConnectionFault("E5005", `no answer within ${this.seconds} s`, { where });
    const what = error instanceof Error ? error.message : String(error);
    return new ConnectionFault("E5001", `there was no answer: ${what}`, { where });
  }
}
