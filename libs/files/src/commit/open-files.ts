/**
 * Finds, in a sorted stream of paths, a file that stands where a later path needs a folder ("/a" and "/a/b").
 *
 * Between "/a" and "/a/b" others may come, like "/a-b", but every one of them begins with the text "/a". So it is enough
 * to keep the files whose path is a string prefix of the newest path: a stack, at most as deep as a path is long.
 */
export interface OpenFile<T> {
  readonly path: string;
  readonly owner: T;
}

export class OpenFiles<T> {
  readonly #stack: OpenFile<T>[] = [];

  /** The files that are string prefixes of the newest path, shortest first. */
  get files(): readonly OpenFile<T>[] {
    return this.#stack;
  }

  /** Forgets the files that neither this path nor a later one can be under. */
  skipTo(path: string): void {
    while (this.#stack.length > 0 && !path.startsWith((this.#stack.at(-1) as OpenFile<T>).path)) this.#stack.pop();
  }

  /** The open files that the path lies under, shortest first. */
  filesAbove(path: string): OpenFile<T>[] {
    return this.#stack.filter((file) => path.length > file.path.length && path[file.path.length] === "/");
  }

  /** Adds a file. `skipTo` its path comes before. */
  push(path: string, owner: T): void {
    if (this.#stack.at(-1)?.path !== path) this.#stack.push({ path, owner });
  }
}
