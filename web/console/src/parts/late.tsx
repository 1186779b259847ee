// Parts of the page that are loaded when they are first needed, or shortly before.
//
// Not React's `lazy`: once it has said that a part is being loaded, it shows nothing else for 0.3 s, however soon the part
// is there. It does not know what it loads.

import { createElement, useLayoutEffect, useReducer, useState, type ComponentType, type ReactElement } from "react";

import { useSay } from "../base/words";

/** A part of the page. */
export interface Part<Props> {
  /** Null until it is loaded. */
  readonly now: ComponentType<Props> | null;
  /** Load it, once. */
  readonly load: () => Promise<void>;
}

/** Say how a part is loaded. */
export function late<Props>(load: () => Promise<ComponentType<Props>>): Part<Props> {
  let now: ComponentType<Props> | null = null;
  let loading: Promise<void> | null = null;
  return {
    get now() {
      return now;
    },
    load: () =>
      (loading ??= load().then(
        (part) => {
          now = part;
        },
        (error: unknown) => {
          loading = null; // another try may succeed
          throw error;
        },
      )),
  };
}

/** Have parts ready that are likely to be needed soon; those that cannot be loaded are missed when they are needed. */
export function warm(...parts: readonly Pick<Part<object>, "load">[]): void {
  for (const part of parts) part.load().catch(() => undefined);
}

/** Give a part, or null while it is loaded; one that cannot be loaded is an error of who shows it. */
export function useLate<Props>(part: Part<Props>): ComponentType<Props> | null {
  const [, again] = useReducer((turn: number) => turn + 1, 0);
  const [fault, setFault] = useState<{ readonly error: unknown } | null>(null);
  useLayoutEffect(() => {
    if (part.now !== null) return undefined;
    let over = false;
    part.load().then(
      () => over || again(),
      (error: unknown) => over || setFault({ error }),
    );
    return () => {
      over = true;
    };
  }, [part]);
  if (fault !== null) throw fault.error;
  return part.now;
}

/** Show a part, with what is given to it; until then it says that it is loaded. */
export function Late<Props extends object>({ part, given }: { readonly part: Part<Props>; readonly given: Props }): ReactElement {
  const { say } = useSay();
  const now = useLate(part);
  return now === null ? <p className="loading">{say("app.loading")}</p> : createElement(now, given);
}
