/**
 * Cuts what is due, has the runs built, and sends commits until they are answered.
 *
 * E1. A result is sent when it is durable, and again whenever a new session stands, until it is answered (L4).
 * E2. Runs are told one after another; datums that follow do not wait for them.
 */
import { create } from "@bufbuild/protobuf";
import { dispatch } from "@sheaf/proto";
import type { Clock } from "@sheaf/runtime";
import type { ClaimBook, ClaimCut } from "../claims/book.ts";
import type { Claim } from "../claims/claim.ts";
import type { Cut, Owner, Pace } from "../claims/terms.ts";
import type { Uploads } from "../process/uploads.ts";
import type { Built, Saying } from "./messages.ts";
import { Serial } from "./serial.ts";
import type { Solo } from "./solo.ts";

const TRY_AGAIN_MS = 250;

export interface CommitterParts {
  readonly book: ClaimBook;
  readonly uploads: Uploads;
  readonly solos: Readonly<Record<"plan" | "merge", Solo>>;
  readonly clock: Clock;
  readonly say: (owner: Owner, saying: Saying) => void;
  /** A run is built, or could not be. */
  readonly onBuilt: () => void;
  readonly onBuildFailed: (claim: Claim, error: unknown) => void;
}

export class Committer {
  readonly #parts: CommitterParts;
  readonly #builds = new Serial();
  /** What was built and not answered yet, by attempt. */
  readonly #built = new Map<string, Built>();

  constructor(parts: CommitterParts) {
    this.#parts = parts;
  }

  cutDue(pace: Pace): void {
    const { book, clock, uploads } = this.#parts;
    if (!book.claims.some((claim) => claim.due(clock.now(), pace) !== undefined)) return;
    void uploads.between(() => {
      for (const { claim, cut } of book.cutDue(clock.now(), pace, (each) => uploads.attemptOf(each))) {
        this.#build(claim, cut);
      }
    });
  }

  /** Builds what a refusal or a greeting left of cuts. */
  rebuild(cuts: readonly ClaimCut[]): void {
    if (cuts.length === 0) return;
    void this.#parts.uploads.between(() => {
      for (const { claim, cut } of cuts) if (claim.cuts.includes(cut)) this.#build(claim, cut);
    });
  }

  /** Says all commits of the owner's claims that were not answered (E1). */
  sayAll(owner: Owner): void {
    for (const claim of this.#parts.book.claims) {
      if (claim.assigned.owner === owner) for (const cut of claim.cuts) this.#say(claim, cut);
    }
  }

  sayLater(claim: Claim, cut: Cut): void {
    this.#parts.clock.timer(TRY_AGAIN_MS, () => this.#say(claim, cut));
  }

  /** Drops what was built for claims and cuts that are gone. */
  forget(): void {
    const open = new Set(this.#parts.book.claims.flatMap((claim) => claim.cuts.map(({ attempt }) => attempt)));
    for (const attempt of this.#built.keys()) if (!open.has(attempt)) this.#built.delete(attempt);
  }

  /** Between uploads: the first part of a build happens at once (F3). The rest, and its failure, in its turn (E2). */
  #build(claim: Claim, cut: Cut): void {
    const building = this.#builder(claim).build(claim, cut);
    building.catch(() => {});
    void this.#builds.run(async () => {
      try {
        this.#built.set(cut.attempt, await building);
        this.#say(claim, cut);
      } catch (error) {
        if (claim.cuts.includes(cut)) this.#parts.onBuildFailed(claim, error);
      }
      this.#parts.onBuilt();
    });
  }

  #builder(claim: Claim): Pick<Solo, "build"> {
    const { kind } = claim.assigned;
    return kind === "process" ? this.#parts.uploads : this.#parts.solos[kind];
  }

  /** With the fence of now, which a new greeting may have changed. */
  #say(claim: Claim, { from, to, attempt }: Cut): void {
    const built = this.#built.get(attempt);
    if (built === undefined || !claim.cuts.some((cut) => cut.attempt === attempt)) return;
    const { owner, id } = claim.assigned;
    const names = { claim: id, fence: claim.fence, from: BigInt(from), to: BigInt(to), attempt };
    this.#parts.say(owner, { case: "commit", value: create(dispatch.CommitSchema, { ...names, ...built }) });
  }
}
