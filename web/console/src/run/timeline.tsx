// One timeline for all that is shown: who worked when, drawn on a canvas however much it is, and a slider that leads to
// any event. `[` and `]` step, and it plays by itself.

import { useEffect, useRef, useState, type ReactElement } from "react";

import { count, span } from "../base/format";
import { useDark } from "../base/ink";
import { useSay } from "../base/words";
import type { Picture } from "../model/picture";
import { indexAt } from "../model/places";
import type { Reading } from "../model/reading";
import { Icon } from "../parts/icon";
import { draw } from "./tracks";

const SPEEDS = [1, 4, 16, 64] as const;
/** No pause of a run is played longer than this, in ms. */
const LONGEST = 800;

/** The timeline. */
export function Timeline({ reading }: { readonly reading: Reading }): ReactElement {
  const { say, language } = useSay();
  const { live, shown } = reading;
  const all = live.place;
  const passed = shown.started === null ? 0 : shown.last - shown.started;
  const play = usePlaying(reading);
  return (
    <footer className="timeline" aria-label={say("run.timeline")}>
      <div className="time-controls">
        <button type="button" className="plain" aria-label={say("time.back")} title={`${say("time.back")}  [`} disabled={shown.place <= reading.floor + 1} onClick={() => reading.seek(reading.aim - 1)}>
          <Icon sign="back" />
        </button>
        <button type="button" className="plain" aria-label={say(play.on ? "time.pause" : "time.play")} title={say(play.on ? "time.pause" : "time.play")} disabled={reading.events.length < 2} onClick={play.toggle}>
          <Icon sign={play.on ? "pause" : "play"} />
        </button>
        <button type="button" className="plain" aria-label={say("time.on")} title={`${say("time.on")}  ]`} disabled={reading.at === null} onClick={() => reading.seek(reading.aim + 1)}>
          <Icon sign="on" />
        </button>
        <select aria-label={say("time.speed")} value={play.speed} onChange={(event) => play.setSpeed(Number(event.target.value))}>
          {SPEEDS.map((speed) => (
            <option key={speed} value={speed}>
              ×{speed}
            </option>
          ))}
        </select>
      </div>
      <div className="time-tracks">
        <Tracks reading={reading} />
        <input
          type="range"
          aria-label={say("time.slider")}
          aria-valuetext={say("time.at", { n: shown.place, all })}
          min={reading.floor + 1}
          max={Math.max(reading.floor + 1, all)}
          value={Math.max(reading.floor + 1, reading.aim)}
          disabled={reading.events.length < 2}
          onChange={(event) => reading.seek(Number(event.target.value))}
        />
      </div>
      <div className="time-place">
        <span data-place={shown.place}>{say("time.at", { n: count(shown.place, language), all: count(all, language) })}</span>
        <span className="dim">{span(passed)}</span>
        {reading.at !== null && (
          <button type="button" className="small" onClick={() => reading.seek(null)}>
            <Icon sign="end" size={13} />
            {say("time.live")}
          </button>
        )}
      </div>
    </footer>
  );
}

function Tracks({ reading }: { readonly reading: Reading }): ReactElement {
  const canvas = useRef<HTMLCanvasElement>(null);
  const [size, setSize] = useState({ width: 0, height: 0 });
  useDark();
  useEffect(() => {
    const frame = canvas.current;
    if (frame === null) return undefined;
    const observer = new ResizeObserver(() => setSize({ width: frame.clientWidth, height: frame.clientHeight }));
    observer.observe(frame);
    return () => observer.disconnect();
  }, []);
  useEffect(() => {
    if (canvas.current !== null && size.width > 0) draw(canvas.current, reading.live, reading.shown);
  });
  const seekTo = (x: number): void => {
    const ts = timeAt(reading.live, x / Math.max(1, size.width));
    const index = indexAt(reading.events, ts);
    if (ts > 0) reading.seek(reading.floor + index + 1);
  };
  return (
    <canvas
      ref={canvas}
      aria-hidden="true"
      onPointerDown={(event) => {
        event.currentTarget.setPointerCapture(event.pointerId);
        seekTo(event.nativeEvent.offsetX);
      }}
      onPointerMove={(event) => event.buttons === 1 && seekTo(event.nativeEvent.offsetX)}
    />
  );
}

function timeAt(picture: Picture, share: number): number {
  return picture.started === null ? 0 : picture.started + (picture.last - picture.started) * Math.min(1, Math.max(0, share));
}

interface Playing {
  readonly on: boolean;
  readonly speed: number;
  readonly toggle: () => void;
  readonly setSpeed: (speed: number) => void;
}

function usePlaying(reading: Reading): Playing {
  const [on, setOn] = useState(false);
  const [speed, setSpeed] = useState<number>(1);
  useEffect(() => {
    if (!on) return undefined;
    const { events } = reading;
    let timer: ReturnType<typeof setTimeout> | undefined;
    let ts = (reading.event(reading.shown.place) ?? events[0])?.ts ?? 0;
    let before = performance.now();
    const step = (): void => {
      const now = performance.now();
      ts += (now - before) * speed;
      before = now;
      const { place } = reading.shown;
      // A long pause is cut short.
      const next = reading.event(place + 1)?.ts ?? ts;
      if (next - ts > LONGEST * speed) ts = next - LONGEST * speed;
      const to = reading.floor + indexAt(events, ts) + 1;
      if (to > place) reading.seek(to);
      if (reading.at === null || reading.shown.place >= reading.live.place) setOn(false);
      else timer = setTimeout(step, 50);
    };
    step();
    return () => clearTimeout(timer);
  }, [on, speed, reading]);
  const toggle = (): void => {
    if (!on && reading.at === null) reading.seek(1);
    setOn(!on);
  };
  return { on, speed, toggle, setSpeed };
}
