/** A stream of JSON values, a line each, as a watch sends them. A line is bounded: a server that sends no newline is cut. */

export type LineEnd = { readonly kind: "ended" } | { readonly kind: "broken"; readonly why: string };

const NEWLINE = 10;

/** Resolves at the end of the stream, or when it breaks, or `onValue` throws; then the stream is destroyed. */
export async function readLines(
  stream: AsyncIterable<Buffer>,
  lineBytesMax: number,
  onValue: (value: unknown) => void,
): Promise<LineEnd> {
  let parts: Buffer[] = [];
  let held = 0;
  try {
    for await (const chunk of stream) {
      let from = 0;
      for (let at = chunk.indexOf(NEWLINE); at >= 0; at = chunk.indexOf(NEWLINE, from)) {
        parts.push(chunk.subarray(from, at));
        from = at + 1;
        const line = Buffer.concat(parts).toString("utf8");
        parts = [];
        held = 0;
        if (line.trim() !== "") onValue(JSON.parse(line));
      }
      parts.push(chunk.subarray(from));
      held += chunk.length - from;
      if (held > lineBytesMax) return { kind: "broken", why: `a line of more than ${lineBytesMax} bytes` };
    }
    return { kind: "ended" };
  } catch (error) {
    const why =
      error instanceof SyntaxError ? "a line that is no JSON" : String(error instanceof Error ? error.message : error);
    return { kind: "broken", why };
  }
}
