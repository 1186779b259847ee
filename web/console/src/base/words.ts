// What the page says, in the language that was chosen.

import { create } from "zustand";

import { usePrefs, type Language } from "./prefs";
import { en, type Word } from "./words-en";

export type { Word } from "./words-en";
/** Says a word, filled in. */
export type Say = (word: Word, values?: Readonly<Record<string, string | number>>) => string;

/** The other languages come when they are asked for. */
const useBooks = create<Partial<Record<Language, Readonly<Record<Word, string>>>>>()(() => ({ en }));

/** Load what a language needs. */
export async function learn(language: Language): Promise<void> {
  document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
  if (language === "zh" && useBooks.getState().zh === undefined) useBooks.setState({ zh: (await import("./words-zh")).zh });
}

/** Give what says words, in the language of the page. */
export function useSay(): { readonly say: Say; readonly language: Language } {
  const language = usePrefs((prefs) => prefs.language);
  const book = useBooks((books) => books[language] ?? en);
  return { say: (word, values) => filled(book[word], values), language };
}

function filled(text: string, values: Readonly<Record<string, string | number>> = {}): string {
  return text.replaceAll(/\{(\w+)\}/g, (whole, name: string) => String(values[name] ?? whole));
}
