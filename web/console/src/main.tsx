// Where the page begins.

import { StrictMode } from "react";
import { createRoot } from "react-dom/client";

import { App } from "./app";
import { paint, usePrefs } from "./base/prefs";
import { learn } from "./base/words";
import "./styles/base.css";
import "./styles/parts.css";
import "./styles/forms.css";
import "./styles/pages.css";

const { theme, language } = usePrefs.getState();
paint(theme);
usePrefs.subscribe((prefs, before) => {
  if (prefs.theme !== before.theme) paint(prefs.theme);
  if (prefs.language !== before.language) void learn(prefs.language);
});

await learn(language);
createRoot(document.getElementById("root")!).render(
  <StrictMode>
    <App />
  </StrictMode>,
);
