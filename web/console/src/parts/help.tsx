// The keys of the console, in a window.

import type { ReactElement } from "react";

import { useSay, type Word } from "../base/words";
import { Dialog } from "./dialog";

const KEYS: readonly (readonly [readonly string[], Word])[] = [
  [["?"], "help.help"],
  [["/"], "help.search"],
  [["j"], "help.next"],
  [["k"], "help.previous"],
  [["Enter"], "help.open"],
  [["["], "help.back"],
  [["]"], "help.on"],
  [["End"], "help.newest"],
  [["n"], "help.new"],
  [["Esc"], "help.escape"],
];

/** The keys. */
export function Help({ onClose }: { readonly onClose: () => void }): ReactElement {
  const { say } = useSay();
  return (
    <Dialog title={say("help.title")} onClose={onClose}>
      <dl className="keys">
        {KEYS.map(([keys, word]) => (
          <div key={word}>
            <dt>
              {keys.map((key) => (
                <kbd key={key}>{key}</kbd>
              ))}
            </dt>
            <dd>{say(word)}</dd>
          </div>
        ))}
      </dl>
    </Dialog>
  );
}
