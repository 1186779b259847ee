// A long list of rows of any height, of which only those in sight are drawn. It stays at its end while the reader is
// there; once the reader has scrolled up nothing moves, whatever grows below or is measured above.

import { useCallback, useEffect, useLayoutEffect, useReducer, useRef, type ReactElement, type ReactNode } from "react";

import { Heights } from "../model/heights";

/** Pixels that are drawn beyond what is in sight. */
const BEYOND = 320;
/** At the end, where all is new with each beat, fewer. */
const BEYOND_END = 60;
/** Closer to the end than this is at the end. */
const NEAR = 6;

interface ScrollProps {
  /** How many rows there are. */
  readonly count: number;
  /** Another number says that rows changed; another `shape` that they are not where they were. */
  readonly version: number;
  readonly shape: string;
  readonly keyOf: (row: number) => string;
  readonly draw: (row: number) => ReactNode;
  /** About how high a row is, in pixels, in a list of that width. */
  readonly guess: (row: number, width: number) => number;
  /** Told when the reader leaves the end or comes back. */
  readonly onAway: (away: boolean) => void;
  /** Another number leads back to the end. */
  readonly call: number;
  readonly label: string;
}

interface Sight {
  readonly heights: Heights;
  pinned: boolean;
  /** Where the list was put last, so that the reader's own scrolling is told from it. */
  top: number;
  width: number;
  shape: string;
}

/** The list. */
export function Scroll(props: ScrollProps): ReactElement {
  const { count, version, shape, keyOf, draw, guess, call, label } = props;
  const frame = useRef<HTMLDivElement>(null);
  const rows = useRef<HTMLDivElement>(null);
  const sight = useRef<Sight>({ heights: new Heights(), pinned: true, top: 0, width: 400, shape });
  const [, again] = useReducer((turn: number) => turn + 1, 0);
  const { heights } = sight.current;
  if (sight.current.shape !== shape || count < heights.count) heights.clear();
  sight.current.shape = shape;
  heights.grow(count, (row) => guess(row, sight.current.width));
  const [from, to] = inSight(frame.current, sight.current);
  const above = heights.top(from);
  const below = Math.max(0, heights.total - heights.top(to));
  const settle = useSettled(frame, rows, sight, from, again);
  useLayoutEffect(settle, [settle, version, shape, from, to]);
  useLayoutEffect(() => {
    sight.current.pinned = true;
    again();
  }, [call]);
  useResized(frame, rows, sight, settle, again);
  const onScroll = useOnScroll(frame, sight, props.onAway, again);
  return (
    <div ref={frame} className="scroll" tabIndex={0} role="log" aria-live="off" aria-label={label} onScroll={onScroll} data-pinned={sight.current.pinned || undefined}>
      <div style={{ height: above }} />
      <div ref={rows}>
        {Array.from({ length: to - from }, (_, at) => (
          <div key={keyOf(from + at)} data-index={from + at}>
            {draw(from + at)}
          </div>
        ))}
      </div>
      <div style={{ height: below }} />
    </div>
  );
}

type Ref<Value> = { readonly current: Value };

/** The rows to draw, from one up to but not with the other. */
function inSight(frame: HTMLElement | null, { heights, pinned, top }: Sight): readonly [number, number] {
  const { count, total } = heights;
  if (count === 0) return [0, 0];
  const tall = frame?.clientHeight ?? 600;
  if (pinned) return [heights.at(total - tall - BEYOND_END), count];
  return [heights.at(top - BEYOND), Math.min(count, heights.at(top + tall + BEYOND) + 1)];
}

/** Measure what was drawn, and put the list where it belongs. */
function useSettled(frame: Ref<HTMLElement | null>, rows: Ref<HTMLElement | null>, sight: Ref<Sight>, from: number, again: () => void): () => void {
  return useCallback(() => {
    const [own, drawn, now] = [frame.current, rows.current, sight.current];
    if (own === null || drawn === null) return;
    const anchor = now.heights.at(now.top);
    const within = now.top - now.heights.top(anchor);
    let changed = false;
    let row = from;
    for (const element of drawn.children) {
      if (row >= now.heights.count) break;
      const { height } = element.getBoundingClientRect();
      if (Math.abs(now.heights.set(row, height)) > 0.5) changed = true;
      row += 1;
    }
    const top = now.pinned ? own.scrollHeight - own.clientHeight : now.heights.top(anchor) + within;
    if (changed || now.pinned) {
      if (Math.abs(own.scrollTop - top) > 0.5) own.scrollTop = top;
      now.top = own.scrollTop;
    }
    // What was guessed too high leaves a gap to fill; at the end there mostly is none, and drawing twice would cost twice.
    if (changed && !(now.pinned && (from === 0 || drawn.offsetHeight >= own.clientHeight))) again();
  }, [frame, rows, sight, from, again]);
}

function useResized(frame: Ref<HTMLElement | null>, rows: Ref<HTMLElement | null>, sight: Ref<Sight>, settle: () => void, again: () => void): void {
  const latest = useRef(settle);
  latest.current = settle;
  useEffect(() => {
    const [own, drawn] = [frame.current, rows.current];
    if (own === null || drawn === null) return undefined;
    const observer = new ResizeObserver(() => {
      if (own.clientWidth !== sight.current.width) {
        // Every row is of another height now.
        sight.current.width = own.clientWidth;
        sight.current.heights.clear();
        again();
      }
      latest.current();
    });
    observer.observe(own);
    observer.observe(drawn);
    return () => observer.disconnect();
  }, [frame, rows, sight, again]);
}

function useOnScroll(frame: Ref<HTMLElement | null>, sight: Ref<Sight>, onAway: (away: boolean) => void, again: () => void): () => void {
  return () => {
    const [own, now] = [frame.current, sight.current];
    if (own === null || Math.abs(own.scrollTop - now.top) < 1) return;
    const left = own.scrollHeight - own.clientHeight - own.scrollTop;
    const before = now.pinned;
    // Only a reader goes up; what grows only makes it longer.
    if (own.scrollTop < now.top && left > NEAR) now.pinned = false;
    else if (left <= NEAR) now.pinned = true;
    now.top = own.scrollTop;
    if (before !== now.pinned) onAway(!now.pinned);
    again();
  };
}
