// The rows of a pane. A block that is closed is drawn once: it is the same object ever after.

import { Suspense, lazy, memo, type ReactElement } from "react";
import type { Json } from "riverrun";

import { count } from "../base/format";
import type { Form } from "../base/prefs";
import { useSay } from "../base/words";
import type { Block } from "../model/passage";
import { Icon } from "../parts/icon";
import { Value } from "../parts/value";

const Markdown = lazy(async () => ({ default: (await import("./markdown")).Markdown }));

/** A block of text. */
export const BlockView = memo(function BlockView({ block, form }: { readonly block: Block; readonly form: Form }): ReactElement {
  const plain = (
    <div className={form === "plain" ? "row text" : "row text soft"} data-start={block.start}>
      {block.text}
    </div>
  );
  if (form === "plain") return plain;
  return (
    <Suspense fallback={plain}>
      <div className="row prose" data-start={block.start}>
        <Markdown block={block} />
      </div>
    </Suspense>
  );
});

interface HeadProps {
  readonly message: string;
  readonly exec: string;
  readonly name: string | null;
  readonly voided: number;
  readonly missing: number;
  readonly first: boolean;
}

/** The head of a message. */
export const HeadView = memo(function HeadView({ message, exec, name, voided, missing }: HeadProps): ReactElement {
  const { say, language } = useSay();
  return (
    <div className="row message-head" title={say("run.message", { id: message })}>
      <span className="mono">{exec}</span>
      {name !== null && <span className="dim">{name}</span>}
      {missing > 0 && <span className="voided">{say("run.missing", { n: count(missing, language) })}</span>}
      {voided > 0 && (
        <span className="voided">
          <Icon sign="retry" size={12} />
          {say("run.takenBack", { n: count(voided, language) })}
        </span>
      )}
    </div>
  );
});

/** A value that is no text. */
export const ValueView = memo(function ValueView({ value }: { readonly value: Json }): ReactElement {
  return (
    <div className="row json">
      <Value value={value} open={1} />
    </div>
  );
});
