// What went wrong, in words that a person understands, with a way on. Every code that a reader can meet has its words;
// the others are told as the server told them.

import { Component, type ErrorInfo, type ReactElement, type ReactNode } from "react";
import { RiverrunError } from "riverrun";

import { useSay, type Say, type Word } from "../base/words";
import { en } from "../base/words-en";
import { Icon } from "./icon";

/** What there is to say of an error. */
export interface Told {
  readonly code: string;
  readonly title: string;
  readonly more: string;
  readonly detail: string;
}

/** Put an error into words. */
export function tell(error: unknown, say: Say): Told {
  if (!(error instanceof RiverrunError)) {
    const detail = error instanceof Error ? error.message : String(error);
    return { code: "", title: say("app.broken"), more: "", detail };
  }
  const { code, message, mend } = error;
  const plain = message.replace(/^E\d{4} /, "");
  const name = `fault.${code}`;
  const title = name in en ? say(name as Word) : say("fault.other", { what: plain });
  const gone = code === "E2006" || code === "E2008" ? say("fault.gone.more") : null;
  const own = `${name}.more` in en ? say(`${name}.more` as Word, { n: error.floor ?? "?" }) : null;
  return { code, title, more: gone ?? own ?? mend, detail: plain === title ? "" : plain };
}

/** An error, with a way on. */
export function Trouble(props: { readonly error: unknown; readonly children?: ReactNode; readonly whole?: boolean }): ReactElement {
  const { say } = useSay();
  const { code, title, more, detail } = tell(props.error, say);
  return (
    <div className={props.whole === true ? "trouble whole" : "trouble"} role="alert" data-code={code}>
      <Icon sign="question" size={props.whole === true ? 28 : 18} />
      <div>
        <strong>{title}</strong>
        {more !== "" && <p>{more}</p>}
        {detail !== "" && (
          <p className="detail">
            {code !== "" && <code>{code}</code>} {detail}
          </p>
        )}
        {props.children !== undefined && <div className="actions">{props.children}</div>}
      </div>
    </div>
  );
}

/** Keeps what fails in one part of the page from taking the others with it. */
export class Fence extends Component<{ readonly children: ReactNode; readonly name: string }, { readonly error: unknown }> {
  override state: { readonly error: unknown } = { error: null };

  static getDerivedStateFromError(error: unknown): { readonly error: unknown } {
    return { error };
  }

  override componentDidCatch(error: unknown, info: ErrorInfo): void {
    console.error(this.props.name, error, info.componentStack);
  }

  override render(): ReactNode {
    if (this.state.error === null) return this.props.children;
    return <Broken error={this.state.error} onRetry={() => this.setState({ error: null })} />;
  }
}

function Broken({ error, onRetry }: { readonly error: unknown; readonly onRetry: () => void }): ReactElement {
  const { say } = useSay();
  return (
    <div className="trouble" role="alert">
      <Icon sign="question" size={18} />
      <div>
        <strong>{say("app.broken")}</strong>
        <p>{say("app.brokenMore")}</p>
        <p className="detail">{error instanceof Error ? error.message : String(error)}</p>
        <div className="actions">
          <button type="button" onClick={onRetry}>
            {say("app.retry")}
          </button>
          <button type="button" onClick={() => location.reload()}>
            {say("app.reload")}
          </button>
        </div>
      </div>
    </div>
  );
}
