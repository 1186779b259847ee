// The few signs of the console, drawn as lines, so that no font of signs has to be loaded.

import type { ReactElement } from "react";

const PATHS = {
  runs: "M4 6h16M4 12h16M4 18h10",
  play: "M7 5l11 7-11 7z",
  pause: "M8 5v14M16 5v14",
  plus: "M12 5v14M5 12h14",
  chart: "M4 19V5M4 19h16M8 15l4-5 3 3 5-7",
  file: "M14 3H6v18h12V7zM14 3v4h4",
  help: "M9 9a3 3 0 1 1 4 2.8c-.8.4-1 .9-1 1.700M12 17.500v.1",
  moon: "M20 14A8 8 0 1 1 10 4a6.500 6.500 0 0 0 10 10z",
  stop: "M6 6h12v12H6z",
  leave: "M10 4H5v16h5M15 8l4 4-4 4M19 12H9",
  save: "M12 4v11M7 11l5 5 5-5M5 20h14",
  fork: "M6 4v16M6 12c8 0 11-2 11-8M14 6l3-3 3 3",
  copy: "M9 9h11v11H9zM5 15H4V4h11v1",
  check: "M5 12l5 5 9-10",
  cross: "M6 6l12 12M18 6L6 18",
  down: "M6 9l6 6 6-6",
  end: "M12 5v12M6 12l6 6 6-6M5 20h14",
  wide: "M4 9V4h5M20 9V4h-5M4 15v5h5M20 15v5h-5",
  narrow: "M9 4v5H4M15 4v5h5M9 20v-5H4M15 20v-5h5",
  back: "M15 6l-6 6 6 6",
  on: "M9 6l6 6-6 6",
  search: "M11 4a7 7 0 1 0 0 14 7 7 0 0 0 0-14zM16 16l4 4",
  retry: "M20 11a8 8 0 1 0-2 6M20 5v6h-6",
  question: "M12 3l9 16H3zM12 10v4M12 16.500v.1",
  clock: "M12 4a8 8 0 1 0 0 16 8 8 0 0 0 0-16zM12 8v4l3 2",
  bolt: "M13 3L5 14h6l-1 7 8-11h-6z",
  dot: "M12 9a3 3 0 1 0 0 6 3 3 0 0 0 0-6z",
  globe: "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18zM3 12h18M12 3c3 3 3 15 0 18M12 3c-3 3-3 15 0 18",
  key: "M8 11a4 4 0 1 0 0 6 4 4 0 0 0 0-6zM11 12l8-8M16 7l3 3",
} as const;

/** The name of a sign. */
export type Sign = keyof typeof PATHS;

/** A sign; what it means is said beside it. */
export function Icon({ sign, size = 16 }: { readonly sign: Sign; readonly size?: number }): ReactElement {
  return (
    <svg className="icon" width={size} height={size} viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      <path d={PATHS[sign]} />
    </svg>
  );
}
