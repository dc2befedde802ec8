/** What every command shares: its flags, its help with an example, and how its code is called. */
import type { SheafClient } from "@sheaf/client";
import { invalidArgument } from "@sheaf/runtime";
import { type Command, InvalidArgumentError } from "commander";
import type { Host } from "./host.ts";
import type { Session } from "./session.ts";

/** Flags that every command takes, before its name or after it. */
export interface SharedFlags {
  readonly json?: true;
  readonly address?: string;
}

/** What a command's code works with. */
export interface Call {
  readonly host: Host;
  /** Whether the API's messages are asked for instead of text. */
  readonly json: boolean;
  /** As given by --address. */
  readonly address: string | undefined;
  /** Aborted by Ctrl-C. */
  readonly signal: AbortSignal;
  /** The cluster of --address or SHEAF_ADDRESS. */
  readonly connect: () => Promise<SheafClient>;
  /** A cluster that this process started. */
  readonly connectToOwn: (address: string) => Promise<SheafClient>;
}

export interface Leaf {
  /** "create <name>", as commander writes it. */
  readonly usage: string;
  readonly summary: string;
  /** Whole command lines that work. */
  readonly examples: readonly string[];
  /** It calls no cluster that is there already, and takes no --address. */
  readonly isLocal?: true;
}

/** Adds a command that does something. */
export function leaf(parent: Command, { usage, summary, examples, isLocal }: Leaf): Command {
  const title = examples.length === 1 ? "Example" : "Examples";
  const command = parent
    .command(usage)
    .description(summary)
    .option("--json", "print the API's own messages, one a line");
  if (!isLocal)
    command.option("--address <address>", "the cluster: host:port or https://host:port (default: $SHEAF_ADDRESS)");
  return command
    .helpOption("-h, --help", "show this text")
    .addHelpText("after", `\n${title}:\n${examples.map((line) => `  ${line}`).join("\n")}`);
}

/** Adds a noun: a command that only holds verbs. */
export function noun(program: Command, name: string, summary: string): Command {
  return program
    .command(name)
    .description(summary)
    .helpOption("-h, --help", "show this text")
    .helpCommand(false)
    .addHelpText("after", `\nExamples: sheaf ${name} <verb> --help`);
}

/** Flags whose value may be no text at all. */
const MAY_BE_EMPTY = new Set(["--description", "--prefix"]);

/**
 * INVALID_ARGUMENT for a flag or an argument without text: a variable of a script that is not set. It would mean what is meant
 * when it is left out, the folder where the user stands or the newest job for one.
 */
function refuseEmpty(command: Command, args: readonly unknown[]): void {
  const values = command.optsWithGlobals<Record<string, unknown>>();
  const given = [
    ...command.options.map((option) => [option.long ?? "", values[option.attributeName()]] as const),
    ...command.registeredArguments.map((argument, i) => [`<${argument.name()}>`, args[i]] as const),
  ];
  const empty = given.find(([name, value]) => value === "" && !MAY_BE_EMPTY.has(name));
  if (empty === undefined) return;
  throw invalidArgument("EMPTY_VALUE", `${empty[0]} is empty: give it a value, or leave it out`);
}

/** Calls `fn` with the flags and the arguments. A number that it returns is the exit code; anything else means 0. */
export function action<Flags extends object, Args extends readonly unknown[]>(
  session: Session,
  fn: (call: Call, flags: Flags & SharedFlags, ...args: Args) => Promise<unknown>,
): (...given: unknown[]) => Promise<void> {
  return async (...given) => {
    const command = given.at(-1) as Command;
    const flags = command.optsWithGlobals<Flags & SharedFlags>();
    const { address } = flags;
    const args = given.slice(0, -2) as unknown as Args;
    refuseEmpty(command, args);
    const call: Call = {
      host: session.host,
      json: flags.json === true,
      address,
      signal: session.signal,
      connect: () => session.connect(address),
      connectToOwn: (own) => session.connectToOwn(own),
    };
    const code = await fn(call, flags, ...args);
    if (typeof code === "number") session.exitCode = code;
  };
}

/** Reads the value of a flag as a whole number in a range. */
export function wholeNumber(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (/^\d+$/.test(text) && value >= min && value <= max) return value;
    throw new InvalidArgumentError(`It must be a whole number from ${min} to ${max}.`);
  };
}
