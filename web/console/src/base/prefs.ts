// What the reader chose: colours, language, how text is shown, and the key of the server. Kept in the browser where
// that is allowed, else only while the page is open; then it says so.

import { create } from "zustand";

/** Colours. */
export type Theme = "system" | "light" | "dark";
/** Languages. */
export type Language = "en" | "zh";
/** How text is shown. */
export type Form = "markdown" | "plain";

interface Prefs {
  readonly theme: Theme;
  readonly language: Language;
  readonly form: Form;
  /** What the server knows the reader by; kept by this tab only. */
  readonly key: string;
  /** Whether the browser keeps anything at all. */
  readonly kept: boolean;
  readonly set: (changes: Partial<Pick<Prefs, "theme" | "language" | "form" | "key">>) => void;
}

const NAME = "riverrun.console";

export const usePrefs = create<Prefs>()((set, get) => ({
  ...stored(),
  set: (changes) => {
    set(changes);
    const { theme, language, form, key } = get();
    const kept = attempt(() => {
      localStorage.setItem(NAME, JSON.stringify({ theme, language, form }));
      if (key === "") sessionStorage.removeItem(NAME);
      else sessionStorage.setItem(NAME, key);
      return true;
    });
    set({ kept: kept === true });
  },
}));

/** Show the colours that were chosen. */
export function paint(theme: Theme): void {
  const { dataset } = document.documentElement;
  if (theme === "system") delete dataset["theme"];
  else dataset["theme"] = theme;
}

function stored(): Pick<Prefs, "theme" | "language" | "form" | "key" | "kept"> {
  const text = attempt(() => localStorage.getItem(NAME) ?? "{}");
  const told = (attempt(() => JSON.parse(text ?? "{}") as Partial<Prefs> | null) ?? {}) as Partial<Prefs>;
  return {
    theme: told.theme === "light" || told.theme === "dark" ? told.theme : "system",
    language: told.language === "zh" || told.language === "en" ? told.language : preferred(),
    form: told.form === "plain" ? "plain" : "markdown",
    key: attempt(() => sessionStorage.getItem(NAME)) ?? "",
    kept: text !== null,
  };
}

function preferred(): Language {
  return navigator.language.toLowerCase().startsWith("zh") ? "zh" : "en";
}

/** Do what the browser may forbid. */
function attempt<Value>(act: () => Value): Value | null {
  try {
    return act();
  } catch {
    return null;
  }
}
