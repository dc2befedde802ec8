/** An error in a pattern, shown where it is. */
import { invalidArgument, type SheafError } from "@sheaf/runtime";

/**
 * INVALID_ARGUMENT GLOB_SYNTAX, with the pattern and a caret under the place, and the place (in characters, from 0) in the
 * metadata as `position`.
 */
export function globError(pattern: string, position: number, problem: string): SheafError {
  const shown = pattern.length > 200 ? `${pattern.slice(0, 200)}...` : pattern;
  // Keeps the caret in line and the terminal safe.
  const line = shown.replaceAll(/\p{Cc}/gu, "\ufffd");
  const caret = `${" ".repeat(Math.min(position, 200))}^`;
  const message = `cannot read the glob: ${problem} (at character ${position + 1})\n  ${line}\n  ${caret}`;
  return invalidArgument("GLOB_SYNTAX", message, {
    details: [{ field: "glob", description: problem }],
    metadata: { position: String(position) },
  });
}
