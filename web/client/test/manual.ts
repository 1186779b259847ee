// A clock that stands still until a test moves it, and a page that a test hides and shows.

import type { Surroundings } from "../src/surroundings.js";
import type { Time } from "../src/time.js";

export class ManualTime implements Time {
  private at = 1000;
  private timers: { readonly due: number; readonly call: () => void }[] = [];
  private waiting: (() => void)[] = [];

  now(): number {
    return this.at;
  }

  after(seconds: number, call: () => void): () => void {
    const timer = { due: this.at + seconds, call };
    this.timers.push(timer);
    for (const one of this.waiting.splice(0)) one();
    return () => {
      this.timers = this.timers.filter((one) => one !== timer);
    };
  }

  /** How many seconds from now the timers are due, soonest first. */
  get due(): readonly number[] {
    return this.timers.map((timer) => timer.due - this.at).sort((one, other) => one - other);
  }

  /** Wait until there is a timer that is due in this many seconds. */
  async until(seconds: number): Promise<void> {
    while (!this.due.some((due) => Math.abs(due - seconds) < 1e-6)) {
      await new Promise<void>((resolve) => this.waiting.push(resolve));
    }
  }

  /** Let time pass, and with it everything that is due. */
  pass(seconds: number): void {
    const end = this.at + seconds;
    for (;;) {
      const [next] = [...this.timers].sort((one, other) => one.due - other.due);
      if (next === undefined || next.due > end + 1e-9) break;
      this.at = Math.max(this.at, next.due);
      this.timers = this.timers.filter((one) => one !== next);
      next.call();
    }
    this.at = end;
  }

  /** Let time pass on a machine that is too busy to call anybody before its end. */
  jump(seconds: number): void {
    this.at += seconds;
    this.pass(0);
  }
}

export class ManualPage implements Surroundings {
  private away = false;
  private readonly calls = new Set<() => void>();
  private readonly hides = new Set<(left: boolean) => void>();

  hidden(): boolean {
    return this.away;
  }

  onWake(call: () => void): () => void {
    this.calls.add(call);
    return () => this.calls.delete(call);
  }

  onHide(call: (left: boolean) => void): () => void {
    this.hides.add(call);
    return () => this.hides.delete(call);
  }

  hide(): void {
    this.away = true;
    for (const call of [...this.hides]) call(false);
  }

  /** Let the page go, for good or for the browser's cache. */
  leave(): void {
    for (const call of [...this.hides]) call(true);
  }

  /** Show it, bring it online, or bring it back from the browser's cache: for a reader it is the same. */
  wake(): void {
    this.away = false;
    for (const call of [...this.calls]) call();
  }
}
