// Text that somebody else wrote: it keeps its direction to itself, and what it hides is shown.

/** Controls of direction, C0 and C1 controls, zero-width characters: all that changes what is seen without being seen. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what it looks for
const HIDDEN = /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/gu;

export function visible(text: string): string {
  return text.replace(HIDDEN, (hidden) => `⟨U+${hidden.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0")}⟩`);
}

export function Foreign({ text, className }: { text: string; className?: string }) {
  return (
    <bdi {...(className && { className })} title={text.length > 40 ? visible(text) : undefined}>
      {visible(text)}
    </bdi>
  );
}
