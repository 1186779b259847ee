// A block of Markdown. What a model wrote is a stranger's text: no markup of its own, no images of other sites, no address
// that is a link without somebody having written it as one, and all that is left goes through a sieve.

import type { ReactElement } from "react";
import ReactMarkdown, { type Components } from "react-markdown";
import rehypeSanitize, { defaultSchema } from "rehype-sanitize";
import remarkGfm from "remark-gfm";

import { useSay } from "../base/words";
import type { Block } from "../model/passage";

const SIEVE = {
  ...defaultSchema,
  protocols: { href: ["http", "https", "mailto"] },
  clobberPrefix: "said-",
};
const AFTER = [[rehypeSanitize, SIEVE]] as [[typeof rehypeSanitize, typeof SIEVE]];
const BEFORE = [remarkGfm];

const COMPONENTS: Components = {
  a: ({ href, children }) => {
    const text = String(children);
    // An address that merely stands there stays text.
    if (href === undefined || text === href || `http://${text}` === href || `mailto:${text}` === href) return <>{children}</>;
    return (
      <a href={href} target="_blank" rel="noopener noreferrer nofollow" title={href}>
        {children}
      </a>
    );
  },
  img: ({ src, alt }) => <Image src={typeof src === "string" ? src : ""} alt={alt ?? ""} />,
  table: ({ children }) => (
    <div className="table-frame">
      <table>{children}</table>
    </div>
  ),
};

/** A block. */
export function Markdown({ block }: { readonly block: Block }): ReactElement {
  const text = block.fence === "" ? block.text : `${block.fence}\n${block.text}`;
  return (
    <ReactMarkdown remarkPlugins={BEFORE} rehypePlugins={AFTER} components={COMPONENTS} skipHtml={false}>
      {text}
    </ReactMarkdown>
  );
}

function Image({ src, alt }: { readonly src: string; readonly alt: string }): ReactElement {
  const { say } = useSay();
  return (
    <span className="image" title={say("run.imageMore", { url: src })}>
      {alt === "" ? say("run.image") : alt}
    </span>
  );
}
