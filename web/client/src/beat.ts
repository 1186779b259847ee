// When what has changed is shown: the first change at once, later ones in beats of 100 ms, and more slowly while the
// page cannot keep up. It does not know what is shown.

import type { Time } from "./time.js";

/** Seconds between two beats. */
export const BEAT = 0.1;
const SLOWEST_BEAT = 1;

/** The beat of one thing that changes often. */
export class Beat {
  private cancel: (() => void) | null = null;
  private told = Number.NEGATIVE_INFINITY;
  private interval = BEAT;
  private fresh = false;

  constructor(
    private readonly time: Time,
    private readonly show: () => void,
  ) {}

  /** Say that something changed. */
  touch(): void {
    this.fresh = true;
    if (this.cancel !== null) return;
    const wait = this.told + this.interval - this.time.now();
    if (wait <= 0) this.tell();
    else this.after(wait);
  }

  /** Show now what has changed and was not shown: a hidden page's timers come late, and it is looked at again. */
  flush(): void {
    this.cancel?.();
    this.cancel = null;
    if (this.fresh) this.tell();
  }

  private after(wait: number): void {
    const due = this.time.now() + wait;
    this.cancel = this.time.after(wait, () => {
      this.cancel = null;
      // A beat that comes late says that the page is busy: it is given twice as long as it was late.
      this.interval = Math.min(SLOWEST_BEAT, Math.max(BEAT, 2 * (this.time.now() - due)));
      if (this.fresh) this.tell();
    });
  }

  private tell(): void {
    this.fresh = false;
    this.told = this.time.now();
    this.show();
  }
}
