/**
 * Text that strangers wrote (log lines, file names, messages) as it may go to a terminal: characters that a terminal acts
 * upon are shown, not sent. Files and pipes get every byte as it is.
 */

/** Control characters, and those that turn the direction of text, or hide in it. */
const ACTED_UPON = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;

/** `kept`: characters that stay, like "\n" or "\t". */
export type Escape = (text: string, kept?: string) => string;

/** What escapes text for this sink: nothing, unless it is a terminal. */
export function escapeFor(sink: { readonly isTTY: boolean }): Escape {
  return sink.isTTY ? escapeControls : (text) => text;
}

export function escapeControls(text: string, kept = ""): string {
  return text.replaceAll(ACTED_UPON, (char) => (kept.includes(char) ? char : shownAs(char)));
}

const SHORT: Readonly<Record<string, string>> = { "\n": "\\n", "\r": "\\r", "\t": "\\t", "\u001b": "\\e" };

function shownAs(char: string): string {
  const hex = (char.codePointAt(0) ?? 0).toString(16);
  return SHORT[char] ?? (hex.length < 3 ? `\\x${hex.padStart(2, "0")}` : `\\u{${hex}}`);
}
