// Draws who worked when: one track per agent, a bar per execution, marks where something was tried again or asked, and
// a line at the moment that is shown. It knows the picture and the canvas, nothing else.

import { ink } from "../base/ink";
import type { Execution, Picture } from "../model/picture";

const MOST = 12; // pixels of a track, at most
const LEAST = 3;
/** The colour of who says nothing. */
const SILENT = 7;

/** Draw all of it. */
export function draw(canvas: HTMLCanvasElement, live: Picture, shown: Picture): void {
  const pen = canvas.getContext("2d");
  if (pen === null || live.started === null) return;
  const [width, height] = [canvas.clientWidth, canvas.clientHeight];
  const ratio = window.devicePixelRatio;
  if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
  }
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.clearRect(0, 0, width, height);
  const length = Math.max(1, live.last - live.started);
  const x = (ts: number): number => ((ts - live.started!) / length) * (width - 2) + 1;
  const now = x(Math.min(shown.last, live.last));
  const tracks = tracksOf(live);
  const step = Math.max(LEAST, Math.min(MOST, height / Math.max(1, tracks.size)));
  for (const execution of live.executions.values()) {
    const track = tracks.get(execution.agent)!;
    const top = track * step + 1;
    const from = x(execution.started);
    const to = Math.max(from + 2, x(execution.ended ?? live.last));
    const bar = Math.max(2, step - 2);
    pen.globalAlpha = execution.started > shown.last ? 0.18 : 0.35;
    pen.fillStyle = ink(`--agent-${ordinal(live, execution) % 8}`);
    rounded(pen, from, top, to - from, bar);
    pen.globalAlpha = 1;
    if (from < now) rounded(pen, from, top, Math.min(to, now) - from, bar);
    mark(pen, execution, to, top, bar);
  }
  pen.globalAlpha = 1;
  pen.fillStyle = ink("--ink");
  pen.fillRect(Math.min(width - 1.5, now), 0, 1.5, height);
}

function tracksOf(picture: Picture): Map<string, number> {
  const tracks = new Map<string, number>();
  for (const { agent } of picture.executions.values()) if (!tracks.has(agent)) tracks.set(agent, tracks.size);
  return tracks;
}

/** An agent that speaks has the colour of its pane. */
function ordinal(picture: Picture, execution: Execution): number {
  return picture.panes.get(execution.agent)?.ordinal ?? SILENT;
}

function mark(pen: CanvasRenderingContext2D, execution: Execution, to: number, top: number, bar: number): void {
  const sign = { failed: "--bad", interrupted: "--ask", retrying: "--warn", cancelled: "--faint" }[execution.state as string];
  if (sign === undefined && execution.retries === 0) return;
  pen.fillStyle = ink(sign ?? "--warn");
  pen.fillRect(to - 3, top, 3, bar);
}

function rounded(pen: CanvasRenderingContext2D, x: number, y: number, width: number, height: number): void {
  pen.beginPath();
  pen.roundRect(x, y, Math.max(1, width), height, Math.min(2, height / 2));
  pen.fill();
}
