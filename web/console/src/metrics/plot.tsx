// One plot of some lines over time, on a canvas; its newest values are said in words below it.

import { useEffect, useRef, type ReactElement } from "react";
import UPlot from "uplot";
import "uplot/dist/uPlot.min.css";

import { count } from "../base/format";
import { ink, useDark } from "../base/ink";
import { useSay, type Say, type Word } from "../base/words";
import { en } from "../base/words-en";
import type { Series } from "./figures";

const HEIGHT = 150;

interface PlotProps {
  readonly series: Series;
  readonly lines: readonly string[];
  /** Another number says that the series has grown. */
  readonly looks: number;
}

/** A plot. */
export function Plot({ series, lines, looks }: PlotProps): ReactElement {
  const { say, language } = useSay();
  const dark = useDark();
  const frame = useRef<HTMLDivElement>(null);
  const plot = useRef<UPlot | null>(null);
  const names = lines.join("|");
  useEffect(() => {
    const element = frame.current;
    if (element === null) return undefined;
    const made = new UPlot(options(element, names.split("|")), data(series, names.split("|")), element);
    plot.current = made;
    const observer = new ResizeObserver(() => made.setSize({ width: element.clientWidth, height: HEIGHT }));
    observer.observe(element);
    return () => {
      observer.disconnect();
      made.destroy();
      plot.current = null;
    };
  }, [series, names, dark]);
  useEffect(() => plot.current?.setData(data(series, names.split("|"))), [series, names, looks]);
  return (
    <>
      <div ref={frame} className="plot-frame" aria-hidden="true" />
      <ul className="legend">
        {lines.map((name, at) => {
          const newest = series.values.get(name)?.findLast((value) => value !== null);
          return (
            <li key={name}>
              <i data-line={at % 8} />
              {named(name, say)} <b>{newest == null ? "–" : count(newest, language, { digits: newest < 10 ? 2 : 0 })}</b>
            </li>
          );
        })}
      </ul>
    </>
  );
}

/** A figure that the page has no word for is told as the server names it, under the heading of its plot. */
function named(name: string, say: Say): string {
  const word = `metrics.line.${name}`;
  return word in en ? say(word as Word) : name.slice(name.indexOf(".") + 1).replaceAll("_", " ");
}

function data(series: Series, names: readonly string[]): UPlot.AlignedData {
  return [series.times, ...names.map((name) => series.values.get(name) ?? [])];
}

function options(element: HTMLElement, names: readonly string[]): UPlot.Options {
  const { fontFamily } = getComputedStyle(element);
  const axis = { stroke: ink("--dim"), font: `11px ${fontFamily}`, grid: { stroke: ink("--line"), width: 1 }, ticks: { show: false } };
  const time = { ...axis, values: (_: UPlot, ticks: number[]) => ticks.map((tick) => new Date(tick * 1000).toLocaleTimeString("en-GB")), space: 70, size: 30 };
  return {
    width: Math.max(100, element.clientWidth),
    height: HEIGHT,
    legend: { show: false },
    cursor: { points: { size: 6 }, y: false },
    padding: [8, 8, 0, 0],
    scales: { y: { range: (_, least, most) => [Math.min(0, least), most <= 0 ? 1 : most * 1.15] } },
    axes: [time, { ...axis, size: 46, values: (_, ticks) => ticks.map((tick) => String(Number(tick.toPrecision(3)))) }],
    series: [
      {},
      ...names.map((name, at) => ({
        label: name,
        stroke: ink(`--agent-${at % 8}`),
        width: 1.8,
        points: { show: false },
        spanGaps: false,
        ...(names.length === 1 ? { fill: `color-mix(in srgb, ${ink("--agent-0")} 12%, transparent)` } : {}),
      })),
    ],
  };
}
