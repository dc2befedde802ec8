/**
 * The tokens that hold now, read again when the file changes (from `start` on). Each has a signal that is aborted when it holds no more: its time is over, or its line has gone from the file
 * or changed. Whoever answers a call by it ends that call then.
 */
import {
  type Clock,
  type Component,
  failedPrecondition,
  KeptFiles,
  type Logger,
  type Secret,
  type Timer,
  unauthenticated,
} from "@sheaf/runtime";
import { formatLine, lineOf, parseLines, type TokenLine, type TokenLines, type UserRole } from "./token.ts";

/** Whom a token stands for. */
export interface User {
  readonly name: string;
  readonly role: UserRole;
  /** Aborted, with what to tell the caller, when the token holds no more. */
  readonly over: AbortSignal;
}

interface Held extends TokenLine {
  readonly end: AbortController;
  timer: Timer | undefined;
}

/** A timer of Node waits at most 24 days: longer times are looked at again. */
const LOOK_AGAIN_MS = 86_400_000;

export class Tokens implements Component {
  readonly #files: KeptFiles<TokenLines>;
  readonly #clock: Clock;
  #held = new Map<string, Held>();
  #started = false;

  private constructor(files: KeptFiles<TokenLines>, clock: Clock) {
    this.#files = files;
    this.#clock = clock;
    files.onChange(({ lines }) => this.#take(lines));
    this.#take(files.value.lines);
  }

  /** FAILED_PRECONDITION when the file is missing or has a wrong line. Later, wrong lines are logged and grant nothing. */
  static async open(path: string, { log, clock }: { readonly log: Logger; readonly clock: Clock }): Promise<Tokens> {
    let isFirst = true;
    const parse = ([content]: readonly (Buffer | undefined)[]): TokenLines => {
      const parsed: TokenLines =
        content === undefined ? { lines: [], wrong: ["the file is not there"] } : parseLines(content.toString("utf8"));
      const text = `${path}: ${parsed.wrong.join("; ")}`;
      if (parsed.wrong.length > 0 && isFirst) throw failedPrecondition("TOKENS_BAD", text);
      if (parsed.wrong.length > 0) log.error({ tokens: path }, `${text}: these grant nothing`);
      isFirst = false;
      return parsed;
    };
    return new Tokens(await KeptFiles.open({ what: "the file of tokens", paths: [path], parse, log, clock }), clock);
  }

  /** UNAUTHENTICATED for a token that is unknown, revoked or over. */
  user(token: Secret<string>): User {
    const held = lineOf(token, [...this.#held.values()]);
    if (held === undefined) throw unauthenticated("TOKEN_UNKNOWN", "the token is not known here, or was revoked");
    if (this.#isOver(held)) this.#expire(held);
    held.end.signal.throwIfAborted();
    return { name: held.name, role: held.role, over: held.end.signal };
  }

  start(): Promise<void> {
    this.#started = true;
    for (const held of this.#held.values()) this.#wait(held);
    return this.#files.start();
  }

  async stop(): Promise<void> {
    await this.#files.stop();
    for (const { timer } of this.#held.values()) timer?.cancel();
  }

  #take(lines: readonly TokenLine[]): void {
    const before = this.#held;
    this.#held = new Map();
    for (const line of lines) {
      const key = formatLine(line);
      const held = before.get(key) ?? { ...line, end: new AbortController(), timer: undefined };
      before.delete(key);
      this.#held.set(key, held);
      if (this.#started && held.timer === undefined) this.#wait(held);
    }
    for (const gone of before.values()) {
      gone.timer?.cancel();
      gone.end.abort(unauthenticated("TOKEN_UNKNOWN", `the token "${gone.name}" was revoked`));
    }
  }

  #wait(held: Held): void {
    if (!Number.isFinite(held.expires)) return;
    const ms = Math.min(held.expires - this.#clock.wall(), LOOK_AGAIN_MS);
    held.timer = this.#clock.timer(ms, () => (this.#isOver(held) ? this.#expire(held) : this.#wait(held)));
  }

  #isOver(held: Held): boolean {
    return held.expires <= this.#clock.wall();
  }

  #expire(held: Held): void {
    held.timer?.cancel();
    const text = `the token "${held.name}" expired at ${new Date(held.expires).toISOString()}: \`sheaf token create\` makes another`;
    held.end.abort(unauthenticated("TOKEN_EXPIRED", text));
  }
}
