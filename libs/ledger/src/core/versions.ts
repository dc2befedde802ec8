/**
 * Which versions of the program work together. Pure. An upgrade goes from one minor version to the next, and while it goes on both
 * are there: masters and merge replicas first, workers after them. So two that are one minor version apart understand each
 * other: contracts only grow from one to the next. Nothing is known of those that are further apart, or of another major
 * version.
 */

/** How `other` stands to `own`. */
export type Meeting = "together" | "older" | "newer" | "unknown";

export function meet(own: string, other: string): Meeting {
  const [mine, theirs] = [parsed(own), parsed(other)];
  if (mine === undefined || theirs === undefined) return "unknown";
  const isNewer = theirs.major > mine.major || (theirs.major === mine.major && theirs.minor > mine.minor);
  if (mine.major === theirs.major && Math.abs(mine.minor - theirs.minor) <= 1) return "together";
  return isNewer ? "newer" : "older";
}

export interface Side {
  /** "the master", "worker w1". */
  readonly who: string;
  readonly version: string;
}

/** What a person is told, and what to do. Undefined: they work together. */
export function whyNotTogether(own: Side, other: Side): string | undefined {
  const meeting = meet(own.version, other.version);
  if (meeting === "together") return undefined;
  const said = `${other.who} has version ${other.version === "" ? "(none)" : other.version}, ${own.who} ${own.version}`;
  const rule = "only versions that are at most one minor version apart work together";
  if (meeting === "unknown") return `${said}: ${rule}; start ${other.who} from a release`;
  const behind = meeting === "older" ? other.who : own.who;
  return `${said}: ${rule}; upgrade ${behind}, one minor version at a time, masters and merge replicas before workers`;
}

function parsed(version: string): { readonly major: number; readonly minor: number } | undefined {
  const found = /^(\d+)\.(\d+)\.\d+/.exec(version);
  return found === null ? undefined : { major: Number(found[1]), minor: Number(found[2]) };
}
