// The rows of a pane. A block that is closed is drawn once: it is the same object ever after.

import { memo, type ReactElement } from "react";
import type { Json } from "riverrun";

import { count } from "../base/format";
import type { Form } from "../base/prefs";
import { useSay } from "../base/words";
import type { Block } from "../model/passage";
import { Icon } from "../parts/icon";
import { late, useLate } from "../parts/late";
import { Value } from "../parts/value";

/** Formatted text. */
export const markdown = late(async () => (await import("./markdown")).Markdown);

/** A block of text. */
export const BlockView = memo(function BlockView({ block, form }: { readonly block: Block; readonly form: Form }): ReactElement {
  return form === "plain" ? <PlainBlock block={block} soft={false} /> : <FormattedBlock block={block} />;
});

function PlainBlock({ block, soft }: { readonly block: Block; readonly soft: boolean }): ReactElement {
  return (
    <div className={soft ? "row text soft" : "row text"} data-start={block.start}>
      {block.text}
    </div>
  );
}

function FormattedBlock({ block }: { readonly block: Block }): ReactElement {
  const Markdown = useLate(markdown);
  if (Markdown === null) return <PlainBlock block={block} soft />;
  return (
    <div className="row prose" data-start={block.start}>
      <Markdown block={block} />
    </div>
  );
}

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
