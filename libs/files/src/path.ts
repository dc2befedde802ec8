/**
 * Paths of files in a commit: absolute ("/a/b"), valid UTF-8 in Unicode's composed form (NFC), sorted by UTF-8 bytes.
 *
 * Requiring NFC means that two spellings of one visible name can never stand side by side. Names that a person cannot see
 * or tell apart (control characters, a space at either end) and the backslash, which is a separator elsewhere, are refused.
 */
import { invalidArgument } from "@sheaf/runtime";

/** Bytes of a whole path, in UTF-8. */
export const PATH_BYTES_MAX = 1024;
/** Bytes of one part between slashes. */
export const PART_BYTES_MAX = 255;

export type ParsedPath =
  | { readonly ok: true; readonly path: string }
  | { readonly ok: false; readonly message: string };

/** Nearly all paths are of this kind: they need no further look at their letters. */
const PLAIN = /^(?:\/[A-Za-z0-9_+=@,()-][A-Za-z0-9._+=@,()-]*)+$/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const CONTROL = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/;

/** Checks the path of a file: "/a/b". The root, "/", is not one. */
export function parsePath(text: string): ParsedPath {
  if (text.length <= PART_BYTES_MAX && PLAIN.test(text)) return { ok: true, path: text };
  const message = whatIsWrong(text);
  return message === undefined ? { ok: true, path: text } : { ok: false, message };
}

/** The path, or a SheafError INVALID_ARGUMENT PATH_INVALID that shows it. */
export function checkPath(text: string): string {
  const parsed = parsePath(text);
  if (parsed.ok) return parsed.path;
  throw invalidArgument("PATH_INVALID", `${quote(text)} cannot be the path of a file: ${parsed.message}`);
}

function whatIsWrong(text: string): string | undefined {
  if (!text.startsWith("/")) return 'it does not begin with "/"';
  if (!text.isWellFormed()) return "it is not valid Unicode";
  if (CONTROL.test(text)) return "it has a control character";
  if (text.includes("\\")) return "it has a backslash";
  if (Buffer.byteLength(text) > PATH_BYTES_MAX) return `it is longer than ${PATH_BYTES_MAX} bytes`;
  if (text.normalize("NFC") !== text) return "it is not in composed form (Unicode NFC)";
  for (const part of text.slice(1).split("/")) {
    const wrong = whatIsWrongWithPart(part);
    if (wrong !== undefined) return wrong;
  }
  return undefined;
}

function whatIsWrongWithPart(part: string): string | undefined {
  if (part === "") return "it has an empty part";
  if (part === "." || part === "..") return `it has a part "${part}"`;
  if (part.trim() !== part) return `the part ${quote(part)} begins or ends with a space`;
  if (Buffer.byteLength(part) > PART_BYTES_MAX) return `a part of it is longer than ${PART_BYTES_MAX} bytes`;
  return undefined;
}

/** For messages: quoted, control characters escaped, cut to a bearable length. */
export function quote(text: string): string {
  return JSON.stringify(text.length > 200 ? `${text.slice(0, 200)}...` : text.toWellFormed());
}

/**
 * Negative, 0 or positive as the UTF-8 bytes of `a` stand before, equal or after those of `b`. JavaScript's own order
 * differs where a character beyond U+FFFF (stored as surrogates, 0xd800-0xdfff) meets one of U+E000 to U+FFFF.
 */
export function comparePaths(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const x = a.charCodeAt(i);
    const y = b.charCodeAt(i);
    if (x !== y) return byCodePoint(x) - byCodePoint(y);
  }
  return a.length - b.length;
}

/** Moves surrogates above all other code units, where the code points that they stand for belong. */
function byCodePoint(unit: number): number {
  return unit >= 0xd800 && unit <= 0xdfff ? unit + 0x10000 : unit;
}

/** The folder of a path: of "/a/b" it is "/a", of "/a" it is "/". */
export function parentOf(path: string): string {
  const slash = path.lastIndexOf("/");
  return slash <= 0 ? "/" : path.slice(0, slash);
}

/** Folders above the path from the top, without the root: of "/a/b/c" they are "/a" and "/a/b". */
export function foldersOf(path: string): string[] {
  const folders: string[] = [];
  for (let slash = path.indexOf("/", 1); slash > 0; slash = path.indexOf("/", slash + 1)) {
    folders.push(path.slice(0, slash));
  }
  return folders;
}

/** Whether the path lies in the folder, at any depth. A folder is not under itself; all is under "/". */
export function isUnder(path: string, folder: string): boolean {
  if (folder === "/") return path.length > 1;
  return path.length > folder.length && path.startsWith(folder) && path[folder.length] === "/";
}

/** The paths under a folder are exactly those in [from, to). */
export function rangeUnder(folder: string): { readonly from: string; readonly to: string } {
  const base = folder === "/" ? "" : folder;
  // "0" is the character after "/".
  return { from: `${base}/`, to: `${base}0` };
}
