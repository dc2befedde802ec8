/** `sheaf run`: how it is called. */
import { type Command, Option } from "commander";
import { action, leaf, wholeNumber } from "../action.ts";
import type { RunFlags } from "../run/options.ts";
import type { Session } from "../session.ts";

const WORKERS_MAX = 10_000;
/** Of the contract's strategies, those that this version runs. */
const STRATEGIES = ["concat", "exclusive", "sum"];

export function defineRun(program: Command, session: Session): void {
  leaf(program, {
    usage: "run",
    summary:
      "Runs CMD once per datum: per file or folder under DIR that the glob matches. In ARGs {} stands for its path and {out} " +
      "for the folder that the command writes to; $SHEAF_INPUT and $SHEAF_OUT say the same, also in a script of sh. With --batch CMD is started once " +
      "per worker and takes datum after datum from $SHEAF_DATUMS; with --handler a function in a module takes its place. " +
      "Without --address and SHEAF_ADDRESS it starts a cluster of its own, and ends it.",
    examples: [
      "sheaf run -i ./photos -g '/*.jpg' -o ./thumbs -w 4 -- convert {} -resize 200x200 {out}/thumb.jpg",
      `sheaf run -i ./logs -g '/**/*.log' -o ./counts --merge sum -- sh -c 'wc -l < "$SHEAF_INPUT" | sed "s/^/lines\\t/" > "$SHEAF_OUT/n"'`,
      "sheaf run -i ./texts -o ./sizes --batch -- python3 sizes.py",
      "sheaf run -i ./texts -o ./sizes --handler sizes.ts",
      "sheaf run -i ./texts -o ./sizes --store 's3://bucket/prefix?region=eu-west-1' -- sh -c 'wc -c < \"$SHEAF_INPUT\" > \"$SHEAF_OUT/n\"'",
    ],
  })
    .requiredOption("-i, --input <dir>", "folder with the input")
    .option("-g, --glob <pattern>", "which files or folders are datums", "/*")
    .requiredOption("-o, --output <dir>", "folder for the result: a new or an empty one")
    .option("-w, --workers <n>", "worker processes (default: one per core, at most 8)", wholeNumber(1, WORKERS_MAX))
    .addOption(
      new Option("--merge <strategy>", "what becomes of a path that several datums write")
        .choices(STRATEGIES)
        .default("concat"),
    )
    .option(
      "--store <url>",
      "where its own cluster keeps objects, which stay there (default: SHEAF_STORE, else a temporary folder)",
    )
    .option("--batch", "CMD takes datum after datum (the spec's transform.datum_batching)")
    .option(
      "--handler <module>",
      "a .ts or .js file whose default export is called with each datum, in the place of CMD",
    )
    .argument("[command...]", "the command and its arguments, after --")
    .usage("-i DIR [-g GLOB] -o DIR [-w N] [--merge STRATEGY] [--batch] (-- CMD [ARG...] | --handler FILE)")
    .passThroughOptions()
    .action(
      action<RunFlags, [string[]]>(session, async (call, flags, command) =>
        (await import("../run/run.ts")).run(call, flags, command),
      ),
    );
}
