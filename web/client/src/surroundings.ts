// What happens around a reader: whether its page is hidden, and when it is worth looking at the network again.
//
// A hidden page's timers are held back, so a watchdog that runs there would bark at nothing; and a page that is shown
// again, or whose machine is online again, should not wait for a back-off to end. It does not know what a reader does.

/** What a reader asks of its page; outside of a page nothing ever happens. */
export interface Surroundings {
  /** Whether nobody can see the page now. */
  hidden(): boolean;
  /** Be told when it is shown again, comes back from the cache of the browser, or is online again. */
  onWake(call: () => void): () => void;
  /** Be told when it is hidden, and when it is left: whether for good or for the cache of the browser, nobody knows. */
  onHide?(call: (left: boolean) => void): () => void;
}

/** The page this runs in, if it runs in one. */
export function page(): Surroundings {
  if (!inPage()) return NOWHERE;
  return {
    hidden: () => document.visibilityState === "hidden",
    onWake(call) {
      const shown = () => {
        if (document.visibilityState === "visible") call();
      };
      document.addEventListener("visibilitychange", shown);
      window.addEventListener("online", call);
      window.addEventListener("pageshow", call);
      return () => {
        document.removeEventListener("visibilitychange", shown);
        window.removeEventListener("online", call);
        window.removeEventListener("pageshow", call);
      };
    },
    onHide(call) {
      const hidden = () => {
        if (document.visibilityState === "hidden") call(false);
      };
      const left = () => call(true);
      document.addEventListener("visibilitychange", hidden);
      window.addEventListener("pagehide", left);
      return () => {
        document.removeEventListener("visibilitychange", hidden);
        window.removeEventListener("pagehide", left);
      };
    },
  };
}

/** Whether this runs in a page. */
export function inPage(): boolean {
  return typeof document !== "undefined" && typeof window !== "undefined";
}

const NOWHERE: Surroundings = { hidden: () => false, onWake: () => () => undefined, onHide: () => () => undefined };
