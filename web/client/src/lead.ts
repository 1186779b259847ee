// Which of the tabs that look at one run holds its connection: the lead.
//
// With Web Locks the browser knows: a tab that is closed, however, gives the lead to the next at once. A page that did
// not come over https has none (`http://192.168…`): there the tabs agree by what they say to each other (tabs.ts), which
// takes a moment longer. It does not know what a lead does.

/** Told of by a lead. */
export interface Elected {
  won(): void;
  /** Another tab took it. */
  lost(): void;
}

/** One tab's part in it. */
export interface Lead {
  /** Seconds that a lead may take to answer before it counts as gone. */
  readonly patience: number;
  /** Whether two can never lead for long; else the tabs must agree which of them does. */
  readonly sure: boolean;
  /** Lead from now on, whoever did. */
  take(): void;
  /** Follow, because another tab leads. */
  yield(): void;
  /** Have no more part in it; idempotent. */
  leave(): void;
}

/** Stand for election; `won` or `lost` are called later, never from within. */
export type Stand = (on: Elected) => Lead;

/** Let the browser decide, under a name. */
export function byLock(locks: LockManager, name: string): Stand {
  return (on) => new LockLead(locks, name, on);
}

/** Let the tabs decide by what they say. */
export function byWord(): Stand {
  return (on) => {
    let leads = false;
    return {
      // Nothing is read meanwhile; an answer takes a few milliseconds, and a lead that was busy is heard later.
      patience: 0.15,
      sure: false,
      take() {
        if (leads) return;
        leads = true;
        queueMicrotask(() => {
          if (leads) on.won();
        });
      },
      yield() {
        leads = false;
      },
      leave() {
        leads = false;
      },
    };
  };
}

class LockLead implements Lead {
  readonly patience = 2;
  readonly sure = true;
  private waiting: AbortController | null = null;
  private release: (() => void) | null = null;
  private over = false;

  constructor(
    private readonly locks: LockManager,
    private readonly name: string,
    private readonly on: Elected,
  ) {
    this.queue();
  }

  take(): void {
    if (this.release !== null) return;
    this.waiting?.abort();
    this.waiting = null;
    this.ask({ steal: true }, null);
  }

  yield(): void {
    this.release?.();
    this.release = null;
    this.queue();
  }

  leave(): void {
    this.over = true;
    this.waiting?.abort();
    this.waiting = null;
    this.release?.();
    this.release = null;
  }

  private queue(): void {
    if (this.over || this.waiting !== null) return;
    this.waiting = new AbortController();
    this.ask({ signal: this.waiting.signal }, this.waiting);
  }

  private ask(options: LockOptions, own: AbortController | null): void {
    let held = false;
    let release = (): void => undefined;
    const asked = this.locks.request(this.name, options, async () => {
      if (this.waiting !== own) this.waiting?.abort();
      this.waiting = null;
      if (this.over) return;
      held = true;
      const until = new Promise<void>((resolve) => {
        release = resolve;
      });
      this.release = release;
      this.on.won();
      await until;
    });
    asked.catch(() => {
      // It was taken away, or this tab no longer waits for it.
      if (!held || this.release !== release) return;
      this.release = null;
      this.queue();
      this.on.lost();
    });
  }
}
