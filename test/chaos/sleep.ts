/** Resolves after a time, or when it is stopped. */
export function sleep(ms: number, stopped?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, Math.max(0, ms));
    stopped?.addEventListener("abort", () => {
      clearTimeout(timer);
      resolve();
    });
  });
}
