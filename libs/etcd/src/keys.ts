/**
 * Where everything lies in etcd: the one place that builds a key or takes one apart.
 *
 * - Every part is one path segment: a name with a slash could reach into a sibling, and is refused.
 * - Every prefix ends in a slash, so that `jobs/a` never lists the keys of `jobs/ab`.
 * - Numbers are padded with zeros, so that the order of keys is the order of numbers.
 */
import { invalidArgument } from "@sheaf/runtime";

export type LedgerKind = "plan" | "process" | "merge";

const LEDGER_KINDS: readonly string[] = ["plan", "process", "merge"] satisfies readonly LedgerKind[];
/** Enough for 10^12 datums in a job. */
const INDEX_DIGITS = 12;
const INDEX_MAX = 10 ** INDEX_DIGITS - 1;
const SEGMENT_CHARS_MAX = 255;

export interface Keys {
  /** Everything of this cluster. */
  readonly root: string;

  master(id: string): string;
  masters(): string;
  merger(id: string): string;
  mergers(): string;
  /** Its mod revision is the owner's epoch (L1). */
  owner(pipeline: string): string;
  owners(): string;
  mergeOwner(pipeline: string): string;
  mergeOwners(): string;
  worker(pool: string, worker: string): string;
  /** The workers of one pool, or of all. */
  workers(pool?: string): string;

  repo(name: string): string;
  repos(): string;
  head(repo: string, branch: string): string;
  heads(repo: string): string;
  allHeads(): string;
  commit(repo: string, id: string): string;
  commits(repo: string): string;
  pipeline(name: string): string;
  pipelines(): string;
  job(pipeline: string, job: string): string;
  jobs(pipeline: string): string;
  allJobs(): string;
  /** Answers to requests that must not be done twice; under a lease of 24 h. */
  request(id: string): string;
  requests(): string;

  /** What addresses of files are signed with; the same for every master. */
  urlKey(): string;

  ledgerMeta(job: string, kind: LedgerKind): string;
  /** Its create revision is the claim's fence (L3). */
  claim(job: string, kind: LedgerKind, claim: string): string;
  claims(job: string, kind: LedgerKind): string;
  done(job: string, kind: LedgerKind, start: number): string;
  dones(job: string, kind: LedgerKind): string;
  failure(job: string, kind: LedgerKind, index: number): string;
  failures(job: string, kind: LedgerKind): string;
  /** All of one ledger: meta, claims, done, failures. */
  ledger(job: string, kind: LedgerKind): string;
  /** All ledgers of a job. */
  ledgers(job: string): string;
  allLedgers(): string;

  /** What a key of this cluster says; undefined for a key that none of the builders makes. */
  parse(key: string): ParsedKey | undefined;
}

export type ParsedKey =
  | { readonly of: "master" | "merger" | "request"; readonly id: string }
  | { readonly of: "url-key" }
  | { readonly of: "owner" | "merge-owner" | "pipeline"; readonly pipeline: string }
  | { readonly of: "worker"; readonly pool: string; readonly worker: string }
  | { readonly of: "repo"; readonly repo: string }
  | { readonly of: "head"; readonly repo: string; readonly branch: string }
  | { readonly of: "commit"; readonly repo: string; readonly id: string }
  | { readonly of: "job"; readonly pipeline: string; readonly job: string }
  | { readonly of: "ledger-meta"; readonly job: string; readonly kind: LedgerKind }
  | {
      readonly of: "claim";
      readonly job: string;
      readonly kind: LedgerKind;
      readonly claim: string;
    }
  | { readonly of: "done"; readonly job: string; readonly kind: LedgerKind; readonly start: number }
  | {
      readonly of: "failure";
      readonly job: string;
      readonly kind: LedgerKind;
      readonly index: number;
    };

/** The keys of one cluster: `/sheaf/<cluster>/...`. Throws INVALID_ARGUMENT for a name that is no path segment. */
export function keysOf(cluster: string): Keys {
  const root = `/sheaf/${segment(cluster)}/`;
  const at = (...parts: string[]): string => root + parts.map(segment).join("/");
  const under = (...parts: string[]): string => `${at(...parts)}/`;
  return {
    root,
    master: (id) => at("masters", id),
    masters: () => under("masters"),
    merger: (id) => at("mergers", id),
    mergers: () => under("mergers"),
    owner: (pipeline) => at("owners", pipeline),
    owners: () => under("owners"),
    mergeOwner: (pipeline) => at("merge-owners", pipeline),
    mergeOwners: () => under("merge-owners"),
    worker: (pool, worker) => at("workers", pool, worker),
    workers: (pool) => (pool === undefined ? under("workers") : under("workers", pool)),

    repo: (name) => at("repos", name),
    repos: () => under("repos"),
    head: (repo, branch) => at("heads", repo, branch),
    heads: (repo) => under("heads", repo),
    allHeads: () => under("heads"),
    commit: (repo, id) => at("commits", repo, id),
    commits: (repo) => under("commits", repo),
    pipeline: (name) => at("pipelines", name),
    pipelines: () => under("pipelines"),
    job: (pipeline, job) => at("jobs", pipeline, job),
    jobs: (pipeline) => under("jobs", pipeline),
    allJobs: () => under("jobs"),
    request: (id) => at("requests", id),
    requests: () => under("requests"),

    urlKey: () => at("url-key"),

    ledgerMeta: (job, kind) => at("ledgers", job, kind, "meta"),
    claim: (job, kind, claim) => at("ledgers", job, kind, "claims", claim),
    claims: (job, kind) => under("ledgers", job, kind, "claims"),
    done: (job, kind, start) => at("ledgers", job, kind, "done", padded(start)),
    dones: (job, kind) => under("ledgers", job, kind, "done"),
    failure: (job, kind, index) => at("ledgers", job, kind, "failures", padded(index)),
    failures: (job, kind) => under("ledgers", job, kind, "failures"),
    ledger: (job, kind) => under("ledgers", job, kind),
    ledgers: (job) => under("ledgers", job),
    allLedgers: () => under("ledgers"),

    parse: (key) => (key.startsWith(root) ? parseParts(key.slice(root.length).split("/")) : undefined),
  };
}

function parseParts(parts: readonly string[]): ParsedKey | undefined {
  const [family, a, b, c, d] = parts;
  if (parts.includes("")) return undefined;
  if (family === "url-key" && parts.length === 1) return { of: "url-key" };
  if (family === "ledgers") return parts.length <= 5 ? parseLedger(a, b, c, d) : undefined;
  if (parts.length === 2 && a !== undefined) return parseOne(family, a);
  if (parts.length === 3 && a !== undefined && b !== undefined) return parseTwo(family, a, b);
  return undefined;
}

function parseOne(family: string | undefined, name: string): ParsedKey | undefined {
  switch (family) {
    case "masters":
      return { of: "master", id: name };
    case "mergers":
      return { of: "merger", id: name };
    case "requests":
      return { of: "request", id: name };
    case "owners":
      return { of: "owner", pipeline: name };
    case "merge-owners":
      return { of: "merge-owner", pipeline: name };
    case "pipelines":
      return { of: "pipeline", pipeline: name };
    case "repos":
      return { of: "repo", repo: name };
    default:
      return undefined;
  }
}

function parseTwo(family: string | undefined, a: string, b: string): ParsedKey | undefined {
  switch (family) {
    case "workers":
      return { of: "worker", pool: a, worker: b };
    case "heads":
      return { of: "head", repo: a, branch: b };
    case "commits":
      return { of: "commit", repo: a, id: b };
    case "jobs":
      return { of: "job", pipeline: a, job: b };
    default:
      return undefined;
  }
}

function parseLedger(job?: string, kind?: string, family?: string, last?: string): ParsedKey | undefined {
  if (job === undefined || kind === undefined || !isLedgerKind(kind)) return undefined;
  if (last === undefined) return family === "meta" ? { of: "ledger-meta", job, kind } : undefined;
  if (family === "claims") return { of: "claim", job, kind, claim: last };
  const index = /^\d{12}$/.test(last) ? Number(last) : undefined;
  if (index === undefined) return undefined;
  if (family === "done") return { of: "done", job, kind, start: index };
  return family === "failures" ? { of: "failure", job, kind, index } : undefined;
}

function isLedgerKind(text: string): text is LedgerKind {
  return LEDGER_KINDS.includes(text);
}

function segment(name: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is refused
  if (name.length > 0 && name.length <= SEGMENT_CHARS_MAX && !/[/\u0000-\u001f\u007f]/.test(name)) return name;
  const rule = `1 to ${SEGMENT_CHARS_MAX} characters, without slashes and control characters`;
  throw invalidArgument("KEY_SEGMENT", `${JSON.stringify(name)} cannot be part of an etcd key: use ${rule}`);
}

function padded(index: number): string {
  if (!Number.isSafeInteger(index) || index < 0 || index > INDEX_MAX) {
    throw invalidArgument(
      "KEY_INDEX",
      `${index} cannot be an index in an etcd key: use a whole number from 0 to ${INDEX_MAX}`,
    );
  }
  return String(index).padStart(INDEX_DIGITS, "0");
}
