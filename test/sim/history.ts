import type { Txn, TxnOutcome } from "@sheaf/etcd";

/** What happened, for people: kept only when a history is told, because most histories are good and nobody reads them. */
export class History {
  readonly lines: string[] = [];
  readonly isTold: boolean;
  readonly #now: () => number;

  constructor(isTold: boolean, now: () => number) {
    this.isTold = isTold;
    this.#now = now;
  }

  /** `line` is made only when it is kept. */
  note(who: string, line: () => string): void {
    if (this.isTold) this.lines.push(`${this.#now().toFixed(1).padStart(9)}  ${who.padEnd(10)} ${line()}`);
  }

  /** Numbered, to talk about. */
  toString(): string {
    return this.lines.map((line, i) => `${String(i + 1).padStart(4)} ${line}`).join("\n");
  }
}

/** A transaction in a line: what it writes, without the part of the keys that all share. */
export function tellTxn({ then }: Txn): string {
  const told = then.map((op) => {
    if ("put" in op) return `put ${short(op.put)}${op.lease === undefined ? "" : ` lease ${op.lease}`}`;
    if ("delete" in op) return `delete ${short(op.delete)}`;
    return "get" in op ? `get ${short(op.get)}` : `delete all of ${short(op.deletePrefix)}`;
  });
  return told.join(", ");
}

export function tellOutcome(outcome: TxnOutcome): string {
  if ("revision" in outcome) return `${outcome.kind} at ${outcome.revision}`;
  return outcome.kind === "unknown" ? `unknown (${outcome.cause})` : outcome.kind;
}

function short(key: string): string {
  return key.replace("/sheaf/sim/", "").replace("ledgers/", "");
}

/** A message of a session in a line. */
export function tellMessage({
  case: name,
  value,
}: {
  readonly case: string | undefined;
  readonly value?: unknown;
}): string {
  const fields = JSON.stringify(value ?? {}, (key, field) => {
    if (typeof field === "bigint") return Number(field);
    return key === "$typeName" || key === "totals" || key === "input" || key === "result" ? undefined : field;
  });
  return `${name} ${fields}`;
}
