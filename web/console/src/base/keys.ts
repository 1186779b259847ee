// Keys of the page: one list of who listens, the last one first, so that Esc closes what was opened last. Keys that are
// typed into a field are left alone, but for Esc.

import { useEffect, useRef } from "react";

/** Gives true when it took the key. */
type Listener = (event: KeyboardEvent) => boolean;

const listeners: Listener[] = [];

/** Listen for keys while a part of the page is shown. */
export function useKeys(keys: Readonly<Record<string, () => void>>, active = true): void {
  const latest = useRef(keys);
  latest.current = keys;
  useEffect(() => {
    if (!active) return undefined;
    const listener: Listener = (event) => {
      const act = Object.hasOwn(latest.current, event.key) ? latest.current[event.key] : undefined;
      if (act === undefined) return false;
      event.preventDefault();
      act();
      return true;
    };
    listeners.push(listener);
    if (listeners.length === 1) document.addEventListener("keydown", hear);
    return () => {
      listeners.splice(listeners.indexOf(listener), 1);
      if (listeners.length === 0) document.removeEventListener("keydown", hear);
    };
  }, [active]);
}

function hear(event: KeyboardEvent): void {
  // While a text is being composed every key belongs to the composer.
  if (event.defaultPrevented || event.isComposing || event.ctrlKey || event.metaKey || event.altKey) return;
  if (isTyping(event.target) && event.key !== "Escape") return;
  for (let at = listeners.length - 1; at >= 0; at -= 1) if (listeners[at]!(event)) return;
}

function isTyping(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  const input = target.closest("input, textarea, select, [contenteditable]");
  return input !== null && !(input instanceof HTMLInputElement && ["range", "checkbox", "radio"].includes(input.type));
}
