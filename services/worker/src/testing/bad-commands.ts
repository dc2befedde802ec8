/**
 * What commands do that they should not, as data: a fixture (the script is the datum's input, run by sh), and what becomes of its
 * datum. Numbers 41 to 78: a list of what users throw at systems like this one. What one script cannot show names the test that does.
 */

export interface BadCommand {
  readonly row: number;
  readonly what: string;
  readonly script: string;
  /** Empty: the datum succeeds. */
  readonly reason?: string;
  readonly message?: RegExp;
  /** All that is left of its output. Absent: nothing. */
  readonly files?: Readonly<Record<string, string>>;
  /** Its log, lines joined. */
  readonly log?: RegExp;
  /** Default: 1. */
  readonly tries?: number;
  /** What the worker must be able to do; elsewhere the row is left out. */
  readonly needs?: "root" | "cgroups";
  readonly notIn?: "here" | "in a pod";
}

/** Run one after another in one slot: what one leaves behind, the next would see. */
export const PLAIN: readonly BadCommand[] = [
  { row: 41, what: "writes nothing", script: "exit 0" },
  {
    row: 42,
    what: "fails",
    script: "echo sorry >&2; exit 7",
    reason: "EXIT_7",
    message: /exited with code 7: sorry$/,
    log: /sorry/,
  },
  {
    row: 42,
    what: "is ended by a signal",
    script: "kill -SEGV $$",
    reason: "SIGNAL_11",
    message: /signal 11 \(SIGSEGV\)/,
  },
  {
    row: 42,
    what: "is ended by SIGKILL",
    script: "kill -KILL $$",
    reason: "OOM",
    message: /SIGKILL, and nobody here sent it/,
  },
  {
    ...{ row: 45, what: "leaves a daemon", needs: "root" },
    script: "setsid sh -c 'trap \"\" TERM HUP; (sleep 4545) & sleep 4545' </dev/null >/dev/null 2>&1 & exit 0",
  },
  {
    ...{ row: 45, what: "comes after a daemon: it is gone", needs: "root" },
    script: 'ps -e -o args= | grep -cx "sleep 4545" >"$SHEAF_OUT/n"; exit 0',
    files: { "/n": "0\n" },
  },
  {
    ...{ row: 47, what: "goes on writing after its end", needs: "root" },
    script:
      'echo whole >"$SHEAF_OUT/f"; cd "$SHEAF_OUT"; (sleep 0.2; while :; do echo late >>f; echo late >late; done) & exit 0',
    files: { "/f": "whole\n" },
  },
  {
    ...{ row: 48, what: "keeps a file open and appends to it", needs: "root" },
    script: 'exec 9>"$SHEAF_OUT/f"; echo whole >&9; (sleep 0.2; while :; do echo late >&9; done) & exit 0',
    files: { "/f": "whole\n" },
  },
  {
    row: 49,
    what: "writes 20 MB of log",
    script: "yes line | head -c 20000000",
    log: /^line\n.*left out here.*\nline$/s,
  },
  {
    row: 50,
    what: "writes one line of 3 MB",
    script: "head -c 3000000 /dev/zero | tr '\\0' x",
    log: /^x{65536}\n.*left out here.*x$/s,
  },
  {
    ...{
      row: 51,
      what: "writes control characters, no UTF-8, and lines like ours",
      log: /^.\[2J.\n\{"level":"error"\}\nexit 0 0$/,
    },
    script: `printf '\\033[2J\\377\\n{"level":"error"}\\nexit 0 0\\n'`,
  },
  {
    ...{ row: 54, what: "closes its streams and tries to end what runs it", files: { "/f": "alive\n" } },
    script: 'exec <&- >&- 2>&-; kill -9 $PPID; kill -9 1; echo alive >"$SHEAF_OUT/f"',
    needs: "root",
  },
  { row: 54, what: "kills all that it can", script: "kill -9 -1; exit 5", reason: "EXIT_5", needs: "root" },
  {
    ...{ row: 55, what: "looks for what the worker knows", log: /^0$/ },
    script:
      "{ env; cat /proc/1/environ 2>/dev/null | tr '\\0' '\\n'; } | grep -c -E 'SHEAF_(TOKEN|STORE|MASTERS|ETCD)|ROW_55'; exit 0",
  },
  {
    ...{ row: 56, what: "changes its input", files: { "/f": "changed\n" } },
    script: 'chmod 666 "$SHEAF_INPUT" && echo changed >"$SHEAF_INPUT"; mv "$SHEAF_INPUT" "$SHEAF_OUT/f"; rm -rf ../in',
  },
  {
    ...{ row: 58, what: "leaves folder, umask and modes as it likes", files: { "/d/f": "1\n", "/d/s": "2\n" } },
    script: 'umask 777; cd "$SHEAF_OUT"; mkdir -m 700 d; echo 1 >d/f; echo 2 >d/s; chmod 6755 d/s; cd /',
    needs: "root",
  },
  {
    ...{
      row: 62,
      what: "leaves zombies",
      script: "for i in 1 2 3 4 5 6 7 8; do sh -c 'exit 0 & exec sleep 0.1' & done; exit 0",
    },
  },
  {
    ...{ row: 62, what: "comes after zombies: they are gone", needs: "root", files: { "/n": "0\n" } },
    script: 'ps -e -o stat= | grep -c Z >"$SHEAF_OUT/n"; exit 0',
  },
  {
    ...{ row: 63, what: "dumps its core", reason: "SIGNAL_6", log: /^0\n/ },
    script: 'ulimit -c; cd "$SHEAF_OUT"; exec sh -c "kill -ABRT \\$\\$"',
  },
];

/** With two tries. */
export const RETRIED: readonly BadCommand[] = [
  {
    ...{ row: 61, what: "crashes once", tries: 2, files: { "/f": "second\n" } },
    script:
      '[ -e "$MARKS/61" ] || { : >"$MARKS/61"; echo first >"$SHEAF_OUT/g"; exit 1; }; echo second >"$SHEAF_OUT/f"',
  },
];

/** With `datum_timeout` of a second. */
export const HANGING: readonly BadCommand[] = [
  {
    row: 43,
    what: "hangs",
    script: "exec sleep 4343",
    reason: "TIMEOUT",
    message: /ran longer than datum_timeout, 1000 ms/,
  },
  {
    row: 44,
    what: "hangs, with children, and ignores SIGTERM",
    script: 'trap "" TERM; (trap "" TERM; sleep 4343) & sleep 4343',
    reason: "TIMEOUT",
  },
  {
    row: 44,
    what: "comes after that",
    script: 'ps -e -o args= | grep -cx "sleep 4343"; exit 0',
    log: /^0$/,
    needs: "root",
  },
];

/** With limits: 64 MiB, 32 processes, 1 MB of output, 10 seconds. */
export const LIMITED: readonly BadCommand[] = [
  {
    ...{ row: 46, what: "is a fork bomb", reason: "TIMEOUT", needs: "cgroups" },
    script: "b() { b & b & wait; }; b 2>/dev/null & exec sleep 4646",
  },
  {
    ...{
      row: 53,
      what: "takes all memory",
      reason: "OOM",
      message: /more memory than it may have.*its limit is 64Mi/,
      needs: "cgroups",
    },
    script: "exec awk 'BEGIN { s = \"x\"; while (1) s = s s }'",
  },
  {
    ...{ row: 77, what: "writes more than it may", reason: "OUTPUT_TOO_LARGE", message: /resource_limits\.disk/ },
    script: 'head -c 1000001 /dev/zero >"$SHEAF_OUT/f"',
  },
  {
    ...{ row: 77, what: "writes more than it may, and goes on", reason: "OUTPUT_TOO_LARGE", message: /was ended/ },
    script: 'head -c 1000001 /dev/zero >"$SHEAF_OUT/f"; exec sleep 7777',
  },
  {
    ...{ row: 77, what: "writes more than it may beside its output", reason: "OUTPUT_TOO_LARGE", message: /was ended/ },
    script: "mkdir d; head -c 1000001 /dev/zero >d/f; exec sleep 7777",
  },
  {
    row: 77,
    what: "writes what it may",
    script: 'head -c 3 /dev/zero | tr "\\0" x >"$SHEAF_OUT/f"',
    files: { "/f": "xxx" },
  },
];

/** Rows that take other equipment: a test's file, and its words. */
export const ELSEWHERE: readonly { readonly row: number; readonly file: string; readonly test: string }[] = [
  { row: 47, file: "services/worker/src/datum/collector.test.ts", test: "OUTPUT_CHANGED" },
  { row: 49, file: "test/bench/trouble.ts", test: "10 GB of log" },
  { row: 50, file: "test/bench/trouble.ts", test: "one line of 300 MB" },
  {
    row: 51,
    file: "test/integration/logs.test.ts",
    test: "what could harm a terminal or forge a line is shown, not sent",
  },
  { row: 52, file: "services/worker/src/full-disk.test.ts", test: "fails the datum that fills it with" },
  { row: 55, file: "services/worker/src/users.test.ts", test: "reads and ends nothing of the worker" },
  { row: 56, file: "services/worker/src/worker.test.ts", test: "keeps one datum's mess from the next" },
  {
    row: 57,
    file: "services/worker/src/races.test.ts",
    test: "runs one index, and commits it under the claim and the fence of another",
  },
  // No decision reads the machine's clock; what leases and timers do when it jumps is simulated.
  { row: 59, file: "test/sim/sim.test.ts", test: "histories keep every invariant" },
  { row: 60, file: "test/integration/quarantine.test.ts", test: "a datum that three workers die with is quarantined" },
  { row: 65, file: "services/worker/src/datum/collector.test.ts", test: "65" },
  { row: 66, file: "services/worker/src/datum/collector.test.ts", test: "a socket, and a device" },
  { row: 68, file: "services/worker/src/datum/collector.test.ts", test: "what its owner may not read" },
  { row: 70, file: "libs/files/src/path.test.ts", test: "/a/../b" },
  { row: 71, file: "services/worker/src/scratch/remove.test.ts", test: "takes all that a command left" },
  { row: 72, file: "test/bench/trouble.ts", test: "files from one datum" },
  {
    row: 73,
    file: "test/integration/bad-input.test.ts",
    test: "two datums that write one path under exclusive are both named",
  },
  {
    row: 74,
    file: "libs/files/src/merge/conflicts.test.ts",
    test: "a file where another datum has a folder: both are named",
  },
];
