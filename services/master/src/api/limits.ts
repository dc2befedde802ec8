// Every limit of the public API, in one place. What is above one is refused at the edge with its field, before anything is
// read, written or computed from it.

export const DESCRIPTION_BYTES_MAX = 4 * 1024;
export const REQUEST_ID_CHARS_MAX = 64;

export const URL_SECONDS_DEFAULT = 15 * 60;
export const URL_SECONDS_MAX = 24 * 3_600;
/** Presigned ranges in one answer. */
export const PIECES_MAX = 1_000;
/** Files that are sent by URL at a time: each holds 4 MiB, or 32 MiB where the store is S3. */
export const DOWNLOADS_MAX = 16;

export const PAGE_SIZE_DEFAULT = 100;
export const PAGE_SIZE_MAX = 1_000;
/** A page token is ours and short; a longer one is not read at all. */
export const PAGE_TOKEN_CHARS_MAX = 4 * 1024;

export const GLOB_BYTES_MAX = 1024;
export const MERGE_RULES_MAX = 100;

/** Linux refuses one argument of 128 KiB, and a worker adds its own to the command. */
export const COMMAND_BYTES_MAX = 128 * 1024;
export const STDIN_BYTES_MAX = 1024 * 1024;
/** A module with all that it was bundled with; it goes to every worker with the job. */
export const HANDLER_BYTES_MAX = 512 * 1024;
export const ENV_BYTES_MAX = 64 * 1024;
export const WORKING_DIR_BYTES_MAX = 1024;
/** A name or a number, and a group of the same kind if there is a colon; what a machine's list of users can hold. */
export const USER = /^[A-Za-z0-9_][-A-Za-z0-9_.@]{0,63}(:[A-Za-z0-9_][-A-Za-z0-9_.@]{0,63})?$/;
/** The kernel's largest; the one above stands for nobody. */
export const USER_ID_MAX = 4_294_967_294;
export const IMAGE_BYTES_MAX = 512;
/** A registry if there is one, the path in small letters, a tag and a digest if there are: what any runtime of containers takes. */
export const IMAGE =
  /^([A-Za-z0-9][-A-Za-z0-9.]*(:\d{1,5})?\/)?[a-z0-9][-a-z0-9._]*(\/[a-z0-9][-a-z0-9._]*)*(:\w[-\w.]{0,127})?(@[a-z0-9]+:[0-9a-f]{32,128})?$/;
export const SALT_BYTES_MAX = 256;

/** Commands of one worker at a time; its own `--slots` allows as many. */
export const SLOTS_MAX = 64;
export const MEMORY_BYTES_MIN = 4 * 1024 * 1024;
export const CPU_MIN = 0.01;
export const CPU_MAX = 1_024;
export const GPUS_MAX = 64;
export const LABELS_MAX = 32;
export const ANNOTATION_BYTES_MAX = 16 * 1024;
export const TOLERATIONS_MAX = 32;
export const SECRETS_MAX = 32;
export const PULL_SECRETS_MAX = 8;
export const PIDS_MIN = 8;
/** The kernel has no more. */
export const PIDS_MAX = 4_194_304;
export const WORKERS_MAX = 10_000n;
export const TRIES_DEFAULT = 3;
export const TRIES_MAX = 100;
export const MAX_FAILED_MAX = BigInt(Number.MAX_SAFE_INTEGER);
export const TIMEOUT_MS_MIN = 1;
/** A year: above it a time limit is a slip of the pen. */
export const TIMEOUT_MS_MAX = 365 * 24 * 3_600_000;

/** Smallest beginning of a datum's id that names it. */
export const DATUM_PREFIX_MIN = 8;

/** Smallest beginning of a worker's id that names it: what lists show of it. */
export const WORKER_PREFIX_MIN = 8;
export const WORKER_ID = /^[A-Za-z0-9][A-Za-z0-9-]{0,63}$/;
/** Lines of the end of a log: they are in memory. */
export const LOG_TAIL_MAX = 10_000;
/** Calls that follow logs at a master. Each may hold 4 MiB of lines. */
export const FOLLOWERS_MAX = 64;

/** Commits that a watch of a branch goes back for, behind the newest. */
export const WATCH_COMMITS_MAX = 10_000;

/** Datums of one call that restarts them. */
export const RESTARTS_MAX = 100;

/** A ModifyFiles chunk, and a batch of small files. */
export const MESSAGE_BYTES_MAX = 1024 * 1024;
/** Changes of one commit that a master holds while they arrive, at about 130 bytes each. */
export const CHANGES_BYTES_MAX = 512 * 1024 * 1024;

/** Deletions of one commit. */
export const DELETES_MAX = 100_000;

/** Names that the worker sets itself. */
export const RESERVED_ENV_PREFIXES = ["SHEAF_", "PACH_", "PPS_"] as const;
/** Names that would change what the worker's own programs do, or that carry credentials. */
export const RESERVED_ENV_NAMES: ReadonlySet<string> = new Set([
  "LD_PRELOAD",
  "LD_AUDIT",
  "NODE_OPTIONS",
  "AWS_ACCESS_KEY_ID",
  "AWS_SECRET_ACCESS_KEY",
  "AWS_SESSION_TOKEN",
  "GOOGLE_APPLICATION_CREDENTIALS",
]);

/** Why a command may not have a variable of this name; undefined: it may. */
export function wrongWithEnvName(name: string): string | undefined {
  if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) return "is not a variable's name: use letters, digits and '_'";
  const reserved = RESERVED_ENV_PREFIXES.find((prefix) => name.startsWith(prefix));
  if (reserved !== undefined) return `is reserved: names that begin with ${reserved} are set by the worker`;
  if (RESERVED_ENV_NAMES.has(name)) return "is reserved: it would change the worker itself, or holds a credential";
  return undefined;
}
