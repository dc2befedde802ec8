/** Lets the writers of one branch take turns, so that those of this master do not make each other's work void. */
export class BranchTurns {
  readonly #last = new Map<string, Promise<unknown>>();

  async take<T>(branch: string, act: () => Promise<T>): Promise<T> {
    const before = this.#last.get(branch) ?? Promise.resolve();
    const turn = before.then(act);
    const settled = turn.catch(() => {});
    this.#last.set(branch, settled);
    try {
      return await turn;
    } finally {
      if (this.#last.get(branch) === settled) this.#last.delete(branch);
    }
  }
}
