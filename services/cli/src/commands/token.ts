/** `sheaf token`. */
import { appendFile, readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { formatLine, isTokenName, newToken, parseLines, USER_ROLES, type UserRole } from "@sheaf/identity";
import { failedPrecondition, invalidArgument, messageOf, parseDuration } from "@sheaf/runtime";
import { type Command, InvalidArgumentError, Option } from "commander";
import { action, type Call, leaf, noun } from "../action.ts";
import type { Session } from "../session.ts";

/** How long a token holds unless it is said. */
const LIFE = "90d";

interface CreateFlags {
  readonly name: string;
  readonly role: UserRole;
  readonly expires: number;
  readonly file?: string;
}

export function defineToken(program: Command, session: Session): void {
  const token = noun(program, "token", "Tokens of the public API.");
  leaf(token, {
    usage: "create",
    isLocal: true,
    summary: "Makes a token: prints it, this once, and the line for the master's file of tokens.",
    examples: [
      "sheaf token create --name ci --role editor --expires 90d",
      "sheaf token create --name ci --role viewer --expires never --file /etc/sheaf/tokens",
    ],
  })
    .requiredOption("--name <name>", "whom it is for; a file has each name once")
    .addOption(new Option("--role <role>", "what it may do").choices(USER_ROLES).makeOptionMandatory())
    .addOption(
      new Option("--expires <duration>", "how long it holds: 12h, 90d, or never")
        .argParser(lifeMs)
        .default(lifeMs(LIFE), LIFE),
    )
    .option("--file <file>", "appends the line there, and prints the token alone")
    .action(action<CreateFlags, []>(session, create));
}

async function create({ host, json }: Call, { name, role, expires, file }: CreateFlags): Promise<void> {
  if (!isTokenName(name)) throw invalidArgument("NAME_BAD", `--name is "${name}": use letters, digits, . _ -`);
  const { token, line } = newToken({ name, role, expires: host.clock.wall() + expires }, host.random);
  const text = formatLine(line);
  if (file !== undefined) await append(file, resolve(host.cwd, file), name, text);
  const shown = token.reveal(); // the one time
  if (json) host.stdout.write(`${JSON.stringify({ token: shown, line: text })}\n`);
  else host.stdout.write(file === undefined ? `${shown}\n\nline for the file of tokens:\n${text}\n` : `${shown}\n`);
}

/** Not a second line of one name: it would grant nothing. */
async function append(file: string, path: string, name: string, line: string): Promise<void> {
  const before = await readFile(path, "utf8").catch((error: unknown) => {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return "";
    throw unusable(file, error);
  });
  if (parseLines(before).lines.some((each) => each.name === name)) {
    throw failedPrecondition(
      "NAME_TAKEN",
      `${file} has a token named "${name}" already: choose another --name, or remove that line first, which revokes it`,
    );
  }
  const end = before === "" || before.endsWith("\n") ? "" : "\n";
  await appendFile(path, `${end}${line}\n`, { mode: 0o600 }).catch((error: unknown) => {
    throw unusable(file, error);
  });
}

function unusable(file: string, error: unknown): Error {
  return failedPrecondition(
    "FILE_UNUSABLE",
    `cannot add to the file of tokens ${JSON.stringify(file)}: ${messageOf(error)}`,
  );
}

function lifeMs(text: string): number {
  if (text === "never") return Number.POSITIVE_INFINITY;
  const parsed = parseDuration(text);
  if ("value" in parsed && parsed.value > 0) return parsed.value;
  throw new InvalidArgumentError("It must be a duration like 12h or 90d, or never.");
}
