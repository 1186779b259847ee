// A link inside the console: it goes there without loading the page, and is still a link to open beside this one.

import type { AnchorHTMLAttributes, ReactElement } from "react";

import { go, href } from "../base/route";

/** A link to a place of the console. */
export function Link({ to, ...rest }: { readonly to: string } & AnchorHTMLAttributes<HTMLAnchorElement>): ReactElement {
  return (
    <a
      {...rest}
      href={href(to)}
      onClick={(event) => {
        if (event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
        event.preventDefault();
        go(to);
      }}
    />
  );
}
