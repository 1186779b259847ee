// One open stream, whatever carries it, and the watchdog that gives it up when it is silent.
//
// It does not know what the pieces mean, nor what is done about a stream that ended.

import type { Outcome } from "./reader.js";
import type { Surroundings } from "./surroundings.js";
import type { Time } from "./time.js";

/** What carries a stream: a response body, or one run's part of a socket. */
export interface Carrier {
  /** Give what came, or wait for it; it never throws. */
  piece(): Promise<Outcome>;
  /** Give it up; idempotent. */
  close(): void;
  /** Be told that it was silent for too long. */
  silent?(): void;
}

/** One open stream. Close it in any case. */
export class Stream {
  private heard: number;

  constructor(
    private readonly carrier: Carrier,
    private readonly time: Time,
  ) {
    this.heard = time.now();
  }

  /**
   * Read what is there, or wait for something.
   *
   * The watchdog sleeps while the page is hidden; when it wakes, a stream that missed a heartbeat is silent.
   *
   * @param listen Seconds without a byte after which the stream is silent.
   * @param heartbeat Seconds between the server's signs of life.
   */
  async read(listen: number, heartbeat: number, around: Surroundings): Promise<Outcome> {
    let stop = (): void => undefined;
    const silence = new Promise<Outcome>((resolve) => {
      const bark = (): void => {
        this.carrier.silent?.();
        resolve({ kind: "closed", how: "silent" });
      };
      const cancel = this.time.after(listen, () => {
        if (!around.hidden()) bark();
      });
      const asleep = around.onWake(() => {
        if (this.time.now() - this.heard > Math.min(heartbeat, listen)) bark();
      });
      stop = () => {
        cancel();
        asleep();
      };
    });
    try {
      return await Promise.race([this.piece(), silence]);
    } finally {
      stop();
    }
  }

  /** Close the connection; idempotent. */
  close(): void {
    this.carrier.close();
  }

  private async piece(): Promise<Outcome> {
    const outcome = await this.carrier.piece();
    this.heard = this.time.now();
    return outcome;
  }
}

/** Carry a stream in the body of a response; `abort` ends the request. */
export function bodyOf(reader: ReadableStreamDefaultReader<Uint8Array>, abort: () => void): Carrier {
  return {
    async piece() {
      try {
        const { done, value } = await reader.read();
        return done ? { kind: "closed", how: "network" } : { kind: "bytes", bytes: value };
      } catch {
        // Whatever a browser calls it ("Load failed", "network error", "terminated"): the connection is gone.
        return { kind: "closed", how: "network" };
      }
    },
    close() {
      abort();
      // What a broken connection still has to say while it is closed is of no interest to anybody.
      reader.cancel().catch(() => undefined);
    },
  };
}
