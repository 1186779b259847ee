// The one place from which the page speaks to a screen reader: short, polite, and never more than one thing in ten
// seconds, because text that streams would otherwise be read out word by word.

import { useEffect, useState, type ReactElement } from "react";
import { create } from "zustand";

const QUIET = 10_000;

const useVoice = create<{ readonly text: string; readonly at: number }>()(() => ({ text: "", at: 0 }));
let said = Number.NEGATIVE_INFINITY;
let next: string | null = null;
let timer: ReturnType<typeof setTimeout> | null = null;

/** Say something; of several things in a short time only the last is said. */
export function announce(text: string): void {
  next = text;
  if (timer !== null) return;
  timer = setTimeout(speak, Math.max(0, said + QUIET - Date.now()));
}

function speak(): void {
  timer = null;
  said = Date.now();
  useVoice.setState({ text: next ?? "", at: said });
}

/** Where it is said. */
export function Voice(): ReactElement {
  const text = useVoice((voice) => voice.text);
  return (
    <div className="unseen" role="status" aria-live="polite" data-voice="">
      {text}
    </div>
  );
}

/** Say what changes, but not what was there when the page came. */
export function useAnnounced(text: string | null): void {
  const [first] = useState({ text });
  useEffect(() => {
    if (text !== null && first.text !== text) announce(text);
    first.text = null;
  }, [text, first]);
}
