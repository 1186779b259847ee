// The colours of the stylesheet, for what is drawn on a canvas: there `var()` and `light-dark()` mean nothing. It does not
// know what is drawn.

import { useSyncExternalStore } from "react";

import { usePrefs } from "./prefs";

const DARK = window.matchMedia("(prefers-color-scheme: dark)");
const known = new Map<string, string>();

/** Give the colour that a property of the stylesheet stands for now, as a canvas takes it. */
export function ink(name: string): string {
  const key = `${name} ${isDark()}`;
  let colour = known.get(key);
  if (colour === undefined) {
    // Only where a property is used does the browser say which colour it is.
    const probe = document.body.appendChild(document.createElement("i"));
    probe.style.color = `var(${name})`;
    colour = getComputedStyle(probe).color;
    probe.remove();
    known.set(key, colour);
  }
  return colour;
}

/** Draw again when it gets dark or light, by choice or by the system; gives whether it is dark. */
export function useDark(): boolean {
  return useSyncExternalStore(listen, isDark);
}

function isDark(): boolean {
  const { theme } = usePrefs.getState();
  return theme === "system" ? DARK.matches : theme === "dark";
}

function listen(listener: () => void): () => void {
  const leave = usePrefs.subscribe(listener);
  DARK.addEventListener("change", listener);
  return () => {
    leave();
    DARK.removeEventListener("change", listener);
  };
}
