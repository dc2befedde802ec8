/** A word of a POSIX shell that means exactly this text: spaces, quotes and newlines too. It must not hold NUL. */
export function quote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
