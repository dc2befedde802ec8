/** The command line: parsed, run, and answered with an exit code. */
import { VERSION } from "@sheaf/runtime";
import { Command, CommanderError } from "commander";
import { catalogue, type Entry } from "./catalogue.ts";
import { EXIT } from "./exit-codes.ts";
import { defineHelp } from "./help.ts";
import type { Host } from "./host.ts";
import { Session } from "./session.ts";

/** After Ctrl-C everything has to be over in 3 s: what is not by then is left to the watcher of the cluster. */
const END_MS = 2_900;

const EXAMPLES = `
Examples:
  sheaf run -i ./logs -o ./counts --merge sum -- sh -c 'count "$SHEAF_INPUT" > "$SHEAF_OUT/count"'
  sheaf dev --data ./sheaf-data
  sheaf <command> --help

Environment: SHEAF_ADDRESS is the cluster that commands speak to, SHEAF_TOKEN says who calls, SHEAF_CA is the file with the authority
of a cluster that speaks TLS. SHEAF_LOG_LEVEL=debug tells more about errors.
Exit codes: 0 done, 1 job failed or not done, 2 bad usage, 3 cannot reach, 130 Ctrl-C, 129 and 143 SIGHUP or SIGTERM, 141 nobody reads
the output any more.`;

/** Runs one command. Never throws. */
export async function runCli(host: Host): Promise<number> {
  const session = new Session(host);
  host.onInterrupt((interrupt) => {
    if (!session.interrupt(interrupt)) host.exitNow(interrupt.exitCode); // the second time
    host.clock.timer(END_MS, () => host.exitNow(interrupt.exitCode));
  });
  try {
    const program = await buildProgram(session);
    await program.parseAsync([...host.argv], { from: "user" });
    return session.interrupted?.exitCode ?? session.exitCode;
  } catch (error) {
    if (session.interrupted !== undefined) return session.interrupted.exitCode;
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.done : EXIT.usage;
    const { tellFailure } = await import("./failure.ts");
    return tellFailure(error, host);
  } finally {
    await session.close();
  }
}

async function buildProgram(session: Session): Promise<Command> {
  const { stdout, stderr } = session.host;
  const program = new Command("sheaf")
    .description("Runs one command over very many files, on many workers, and merges the results.")
    .version(VERSION)
    .usage("<command> [arguments]")
    .option("--address <address>", "the cluster: host:port or https://host:port (default: $SHEAF_ADDRESS)")
    .option("--json", "print the API's own messages, one a line")
    .helpOption("-h, --help", "show this text")
    .helpCommand(false)
    .addHelpText("after", EXAMPLES)
    .enablePositionalOptions()
    .exitOverride()
    .showHelpAfterError("(--help shows how it is called)")
    .configureOutput({
      writeOut: (text) => stdout.write(text),
      writeErr: (text) => stderr.write(text),
      outputError: (text, write) => write(text.replace(/^error: /, "sheaf: ")),
      getOutHelpWidth: () => Math.min(stdout.columns(), 100),
      getErrHelpWidth: () => Math.min(stderr.columns(), 100),
    });
  const names = new Set(catalogue.map(({ name }) => name));
  const wanted = session.host.argv.find((word, i, all) => names.has(word) && all[i - 1] !== "--address");
  for (const entry of catalogue) await add(program, entry, entry.name === wanted, session);
  defineHelp(program);
  return program;
}

async function add(program: Command, entry: Entry, isWanted: boolean, session: Session): Promise<void> {
  if (isWanted) (await entry.load())(program, session);
  else program.command(entry.name).description(entry.summary);
}
