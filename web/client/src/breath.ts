// What lets a page do what else it has to do while much is read at once: what has arrived already is otherwise taken in
// one go, and nothing is painted and no click is answered meanwhile. It does not know what is read.

/** Milliseconds of work at a time. */
export const AT_A_TIME = 12;

/** Wait until what waits for its turn in this page has had it. */
export async function breath(): Promise<void> {
  // Not a timer, which comes late where it comes often, nor `scheduler.yield`, which goes before timers.
  const { port1, port2 } = new MessageChannel();
  await new Promise<void>((resolve) => {
    port1.onmessage = () => resolve();
    port2.postMessage(null);
  });
  port1.close();
}
