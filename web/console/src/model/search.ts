// Which events of a log fit what is looked for, found bit by bit so that a long log never holds up the page.
// It knows neither React nor the table that shows them.

import type { Event } from "riverrun";

import { isNodeEvent } from "./picture";

/** What is looked for; what is empty fits all. */
export interface Wanted {
  readonly type: string;
  readonly agent: string;
  readonly text: string;
}

/** What is looked for when nothing is. */
export const ALL: Wanted = { type: "", agent: "", text: "" };

/** The events that fit, as far as was looked. */
export class Search {
  /** Indexes of those that fit. */
  readonly found: number[] = [];
  /** How many events were looked at. */
  seen = 0;
  private readonly text: string;

  constructor(private readonly wanted: Wanted) {
    this.text = wanted.text.toLowerCase();
  }

  /** Look on until `until` events were seen or `budget` ms are over; say whether all were seen. */
  look(events: readonly Event[], until: number, budget: number, now: () => number = () => performance.now()): boolean {
    const over = now() + budget;
    while (this.seen < until) {
      if (this.fits(events[this.seen]!)) this.found.push(this.seen);
      this.seen += 1;
      if (this.seen % 64 === 0 && now() > over) break;
    }
    return this.seen >= until;
  }

  /** How many of the found ones stand before an index. */
  before(index: number): number {
    let low = 0;
    let high = this.found.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.found[middle]! < index) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  private fits(event: Event): boolean {
    const { type, agent } = this.wanted;
    if (type !== "" && event.type !== type) return false;
    if (agent !== "" && !(isNodeEvent(event) && (event.agent ?? event.node) === agent)) return false;
    return this.text === "" || JSON.stringify(event).toLowerCase().includes(this.text);
  }
}
