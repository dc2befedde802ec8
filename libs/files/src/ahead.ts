/**
 * The results of the tasks in their order. At most `count` are there at a time: one that is used, and others that were begun ahead
 * of their turn. When it ends early, those are waited for, and given to `drop`.
 */
export async function* ahead<T>(
  tasks: Iterable<() => Promise<T>>,
  count: number,
  drop: (result: T) => void,
): AsyncGenerator<T, void, void> {
  const begun: Promise<T>[] = [];
  try {
    for (const task of tasks) {
      const result = task();
      result.catch(() => {}); // Told in its turn.
      if (begun.push(result) === count) yield await (begun.shift() as Promise<T>);
    }
    for (let next = begun.shift(); next !== undefined; next = begun.shift()) yield await next;
  } finally {
    for (const left of await Promise.allSettled(begun)) if (left.status === "fulfilled") drop(left.value);
  }
}
