// The frame around every place of the console: where one can go, what the reader chose, and who the reader is.

import { useEffect, useState, type ReactElement } from "react";

import { useKeys } from "./base/keys";
import { usePrefs } from "./base/prefs";
import { go, useRoute, type Route } from "./base/route";
import { useSay } from "./base/words";
import { Help } from "./parts/help";
import { Icon, type Sign } from "./parts/icon";
import { Link } from "./parts/link";
import { Late, late, warm } from "./parts/late";
import { Menu } from "./parts/dialog";
import { Fence } from "./parts/trouble";
import { Voice } from "./parts/voice";
import { Runs } from "./runs/runs";

const runPage = late(async () => (await import("./run/page")).RunPage);
const filePage = late(async () => (await import("./run/file")).FilePage);
const startPage = late(async () => (await import("./start/start")).StartPage);
const metrics = late(async () => (await import("./metrics/metrics")).Metrics);
/** Milliseconds after which the page of a run, where most go next, is fetched without anybody having asked for it. */
const SOON = 400;

/** The console. */
export function App(): ReactElement {
  const { route, query } = useRoute();
  const { say } = useSay();
  const [help, setHelp] = useState(false);
  const [open, setOpen] = useState(!window.isSecureContext);
  const kept = usePrefs((prefs) => prefs.kept);
  useKeys({ "?": () => setHelp(true), n: () => go("/start") });
  useEffect(() => {
    const timer = setTimeout(() => warm(runPage), SOON);
    return () => clearTimeout(timer);
  }, []);
  useEffect(() => {
    document.title = route.page === "run" ? `${route.run.slice(-8)} · Riverrun` : "Riverrun";
  }, [route]);
  return (
    <div className="app">
      <a className="skip" href="#content" onClick={(event) => {
        event.preventDefault();
        document.getElementById("content")?.focus();
      }}>
        {say("app.skip")}
      </a>
      <Side route={route} onHelp={() => setHelp(true)} />
      <main id="content" tabIndex={-1}>
        {!kept && <p className="note">{say("app.unkept")}</p>}
        {open && (
          <p className="note warn">
            {say("app.insecure")}{" "}
            <button type="button" className="small" onClick={() => setOpen(false)}>
              {say("app.close")}
            </button>
          </p>
        )}
        {useOutdated() && (
          <p className="note warn" role="alert">
            {say("fault.version")}{" "}
            <button type="button" className="small" onClick={() => location.reload()}>
              {say("app.reload")}
            </button>
          </p>
        )}
        <Fence name={route.page} key={route.page}>
          <Place route={route} query={query} />
        </Fence>
      </main>
      {help && <Help onClose={() => setHelp(false)} />}
      <Voice />
    </div>
  );
}

/** Whether a part of the page is no longer there to be loaded, because the server was replaced by another version. */
function useOutdated(): boolean {
  const [outdated, setOutdated] = useState(false);
  useEffect(() => {
    const told = (): void => setOutdated(navigator.onLine);
    window.addEventListener("vite:preloadError", told);
    return () => window.removeEventListener("vite:preloadError", told);
  }, []);
  return outdated;
}

function Place({ route, query }: { readonly route: Route; readonly query: URLSearchParams }): ReactElement {
  const { say } = useSay();
  switch (route.page) {
    case "runs":
      return <Runs query={query} />;
    case "run":
      return <Late key={route.run} part={runPage} given={{ run: route.run, seq: seqOf(query) }} />;
    case "start":
      return <Late part={startPage} given={{ graph: query.get("graph") ?? "", like: query.get("like") ?? "" }} />;
    case "metrics":
      return <Late part={metrics} given={{}} />;
    case "file":
      return <Late part={filePage} given={{}} />;
    default:
      return (
        <div className="empty">
          <p>{say("app.nowhere")}</p>
          <Link to="/runs">{say("app.toRuns")}</Link>
        </div>
      );
  }
}

function seqOf(query: URLSearchParams): number | null {
  const told = query.get("seq");
  return told !== null && /^[1-9]\d{0,14}$/.test(told) ? Number(told) : null;
}

const PLACES: readonly { readonly to: string; readonly sign: Sign; readonly word: "app.runs" | "app.start" | "app.metrics" | "app.file"; readonly pages: readonly string[] }[] = [
  { to: "/runs", sign: "runs", word: "app.runs", pages: ["runs", "run"] },
  { to: "/start", sign: "plus", word: "app.start", pages: ["start"] },
  { to: "/metrics", sign: "chart", word: "app.metrics", pages: ["metrics"] },
  { to: "/file", sign: "file", word: "app.file", pages: ["file"] },
];

function Side({ route, onHelp }: { readonly route: Route; readonly onHelp: () => void }): ReactElement {
  const { say } = useSay();
  const { theme, language, key, set } = usePrefs();
  const themes = (["system", "light", "dark"] as const).map((one) => ({
    name: say(`app.theme.${one}`),
    act: () => set({ theme: one }),
    chosen: theme === one,
  }));
  const languages = (["en", "zh"] as const).map((one) => ({
    name: one === "en" ? "English" : "中文",
    act: () => set({ language: one }),
    chosen: language === one,
  }));
  return (
    <nav className="side" aria-label={say("app.main")}>
      <Link to="/runs" className="brand" aria-label={`Riverrun ${say("app.console")}`}>
        <svg viewBox="0 0 32 32" width="30" height="30" aria-hidden="true">
          <rect width="32" height="32" rx="9" />
          <path d="M6 11c3.300-3.400 6.700-3.400 10 0s6.700 3.400 10 0M6 17c3.300-3.400 6.700-3.400 10 0s6.700 3.400 10 0M6 23c3.300-3.400 6.700-3.400 10 0s6.700 3.400 10 0" />
        </svg>
      </Link>
      {PLACES.map(({ to, sign, word, pages }) => (
        <Link key={to} to={to} className="place" aria-current={pages.includes(route.page) ? "page" : undefined}>
          <Icon sign={sign} size={19} />
          <span>{say(word)}</span>
        </Link>
      ))}
      <div className="rest">
        {key !== "" && (
          <button type="button" className="plain" title={say("app.keyForget")} aria-label={say("app.keyForget")} onClick={() => {
            set({ key: "" });
            location.reload();
          }}>
            <Icon sign="key" />
          </button>
        )}
        <Menu bare label={say("app.language")} sign="globe" items={languages} />
        <Menu bare label={say("app.theme")} sign="moon" items={themes} />
        <button type="button" className="plain" title={say("app.help")} aria-label={say("app.help")} onClick={onHelp}>
          <Icon sign="help" />
        </button>
      </div>
    </nav>
  );
}
