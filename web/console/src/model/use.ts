// Readings in React: one per run while anything shows it, told in beats.

import { useCallback, useSyncExternalStore } from "react";
import type { Client } from "riverrun";

import { Reading } from "./reading";

const READINGS = new WeakMap<Client, Map<string, Reading>>();
/** So many runs that nobody looks at stay in memory, so that going back and forth asks for nothing again. */
const KEPT = 4;

/** Give the one reading of a run. */
export function readingOf(client: Client, run: string): Reading {
  const readings = READINGS.get(client) ?? new Map<string, Reading>();
  READINGS.set(client, readings);
  const reading = readings.get(run) ?? new Reading(client, run);
  readings.delete(run);
  readings.set(run, reading);
  for (const other of [...readings.keys()].slice(0, -KEPT)) readings.delete(other);
  return reading;
}

/** Draw again with each beat; gives the number of the beat. */
export function useBeat(reading: Reading): number {
  const look = useCallback((told: () => void) => reading.look(told), [reading]);
  return useSyncExternalStore(look, () => reading.version);
}
