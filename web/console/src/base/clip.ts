// Puts text where the reader can paste it from. A page that did not come over https may not use the clipboard by its
// name, but what is selected in it can be copied.

/** Copy a text; gives whether that went well. */
export async function copied(text: string): Promise<boolean> {
  const clipboard = navigator.clipboard as Clipboard | undefined;
  if (clipboard === undefined) return selected(text);
  return await clipboard.writeText(text).then(
    () => true,
    () => selected(text), // the reader may have forbidden it
  );
}

function selected(text: string): boolean {
  const before = document.activeElement;
  const field = document.createElement("textarea");
  field.className = "unseen";
  field.value = text;
  document.body.append(field);
  field.select();
  const done = document.execCommand("copy");
  field.remove();
  if (before instanceof HTMLElement) before.focus();
  return done;
}
