// A window over the page: the browser's own, which keeps the keyboard inside and gives it back. Also small menus.

import { useEffect, useId, useRef, useState, type ReactElement, type ReactNode } from "react";

import { useKeys } from "../base/keys";
import { useSay } from "../base/words";
import { Icon, type Sign } from "./icon";

/** A window; it is there while it is drawn. */
export function Dialog(props: {
  readonly title: string;
  readonly onClose: () => void;
  readonly children: ReactNode;
}): ReactElement {
  const { say } = useSay();
  const own = useRef<HTMLDialogElement>(null);
  const title = useId();
  // Here and not only by the browser: a key that somebody else took is none for the browser any more.
  useKeys({ Escape: props.onClose });
  useEffect(() => {
    own.current?.showModal();
  }, []);
  return (
    <dialog
      ref={own}
      aria-labelledby={title}
      onCancel={(event) => {
        event.preventDefault();
        props.onClose();
      }}
      onClick={(event) => event.target === own.current && props.onClose()}
    >
      <div className="dialog">
        <header>
          <h2 id={title}>{props.title}</h2>
          <button type="button" className="plain" aria-label={say("app.close")} onClick={props.onClose}>
            <Icon sign="cross" />
          </button>
        </header>
        {props.children}
      </div>
    </dialog>
  );
}

/** One line of a menu. */
export interface Item {
  readonly name: string;
  readonly act: () => void;
  readonly chosen?: boolean;
}

/** A button that opens a list of things to do. */
export function Menu(props: {
  readonly label: string;
  readonly sign: Sign;
  readonly items: readonly Item[];
  readonly bare?: boolean;
}): ReactElement {
  const [open, setOpen] = useState(false);
  const own = useRef<HTMLDivElement>(null);
  const opener = useRef<HTMLButtonElement>(null);
  const close = (): void => {
    setOpen(false);
    opener.current?.focus();
  };
  const move = (step: number): void => {
    const items = [...(own.current?.querySelectorAll<HTMLElement>("[role^=menuitem]") ?? [])];
    const at = items.indexOf(document.activeElement as HTMLElement);
    items[(at + step + items.length) % items.length]?.focus();
  };
  useKeys({ Escape: close, ArrowDown: () => move(1), ArrowUp: () => move(-1) }, open);
  useEffect(() => {
    if (!open) return undefined;
    own.current?.querySelector<HTMLElement>("[role^=menuitem]")?.focus();
    const outside = (event: Event): void => {
      if (!own.current?.contains(event.target as Node)) setOpen(false);
    };
    document.addEventListener("pointerdown", outside);
    return () => document.removeEventListener("pointerdown", outside);
  }, [open]);
  return (
    <div className="menu" ref={own}>
      <button
        ref={opener}
        type="button"
        className={props.bare === true ? "plain" : ""}
        aria-haspopup="menu"
        aria-expanded={open}
        aria-label={props.bare === true ? props.label : undefined}
        title={props.bare === true ? props.label : undefined}
        onClick={() => setOpen(!open)}
      >
        <Icon sign={props.sign} />
        {props.bare === true ? null : props.label}
        {props.bare === true ? null : <Icon sign="down" size={12} />}
      </button>
      {open && (
        <div role="menu" aria-label={props.label}>
          {props.items.map(({ name, act, chosen }) => (
            <button
              key={name}
              type="button"
              role={chosen === undefined ? "menuitem" : "menuitemradio"}
              aria-checked={chosen}
              onClick={() => {
                close();
                act();
              }}
            >
              <span className="tick">{chosen === true && <Icon sign="check" size={13} />}</span>
              {name}
            </button>
          ))}
        </div>
      )}
    </div>
  );
}
