// Asks for the key of a server that wants to know who asks.

import { useId, useState, type ReactElement } from "react";

import { usePrefs } from "../base/prefs";
import { useSay } from "../base/words";
import { Icon } from "./icon";

/** A field for the key; what failed before is tried again with it. */
export function Who({ onKey }: { readonly onKey: () => void }): ReactElement {
  const { say } = useSay();
  const { key, set } = usePrefs();
  const [text, setText] = useState("");
  const id = useId();
  return (
    <form
      className="who"
      onSubmit={(event) => {
        event.preventDefault();
        if (text.trim() === "") return;
        set({ key: text.trim() });
        // What was begun without the key begins anew, where the key outlives that.
        if (usePrefs.getState().kept) location.reload();
        else onKey();
      }}
    >
      <Icon sign="key" size={26} />
      <h1>{say("app.keyWanted")}</h1>
      <p>{say("app.keyMore")}</p>
      {key !== "" && (
        <p className="wrong" role="alert">
          {say("app.keyWrong")}
        </p>
      )}
      <label htmlFor={id}>{say("app.key")}</label>
      <div className="row">
        <input id={id} type="password" autoComplete="off" value={text} onChange={(event) => setText(event.target.value)} />
        <button type="submit" className="main">
          {say("app.keyUse")}
        </button>
      </div>
    </form>
  );
}
