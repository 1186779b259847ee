// The only reader of time and maker of randomness, so that everything else can be run under a clock of a test's.

/** What the shells ask for the time. */
export interface Time {
  /** Seconds on a clock that never goes back. */
  now(): number;
  /** Call back once, so many seconds from now; what is returned takes it back. */
  after(seconds: number, call: () => void): () => void;
}

let latest = 0;

/** The clock of this machine. */
export const systemTime: Time = {
  now() {
    // Not performance.now(): that stands still while a laptop sleeps, and a stream that slept must count as silent.
    latest = Math.max(latest, Date.now() / 1000);
    return latest;
  },
  after(seconds, call) {
    const timer = setTimeout(call, seconds * 1000);
    return () => clearTimeout(timer);
  },
};

/** Give a random number in [0, 1): for back-off only. */
export const systemDice = (): number => Math.random();

/** Make a key for a request that may be repeated: 32 hexadecimal digits. */
export function newKey(): string {
  // Not randomUUID(), which a page has only over https.
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
