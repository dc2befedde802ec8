/** What the exit code tells a script. Documented in the README. */
export const EXIT = {
  done: 0,
  /** A job failed, or the command could not be done. */
  failed: 1,
  usage: 2,
  unreachable: 3,
  /** Ctrl-C. */
  interrupted: 130,
} as const;
