/**
 * The stress that every component must pass: 10 at a time, 50 rounds each, started and stopped in every
 * order that the contract allows. A package calls it from its own tests with its own component.
 */
import { internal } from "./errors.ts";
import type { Component } from "./lifecycle.ts";

const LANES = 10;
const ROUNDS = 50;

type Story = (component: Component) => Promise<void>;

const STORIES: readonly Story[] = [
  async (c) => {
    await c.start();
    await c.stop();
  },
  async (c) => {
    await Promise.all([c.start(), c.start()]);
    await Promise.all([c.stop(), c.stop()]);
    await c.stop();
  },
  // Stopped while it starts: the start may succeed or fail, the stop must not.
  async (c) => {
    const started = c.start().catch(() => {});
    await c.stop();
    await started;
  },
  // Stopped a little later, at some other point of its start.
  async (c) => {
    const started = c.start().catch(() => {});
    await new Promise((resolve) => setImmediate(resolve));
    await c.stop();
    await started;
  },
  // Never started; then refused.
  async (c) => {
    await c.stop();
    const refused = await c.start().then(
      () => false,
      () => true,
    );
    if (!refused) throw internal("CONTRACT_BROKEN", "a component was started after its stop: start must refuse");
  },
  async (c) => {
    await c.start();
    await c.drain?.(performance.now() + 1_000);
    await c.stop();
  },
];

/**
 * `make` gives a fresh component each time; `check`, called at the end, may look for what was left behind.
 * `lanes` and `rounds` may be lowered where one start is expensive.
 */
export async function stressLifecycle(
  make: () => Component | Promise<Component>,
  options: {
    readonly lanes?: number;
    readonly rounds?: number;
    readonly check?: () => void | Promise<void>;
  } = {},
): Promise<void> {
  const { lanes = LANES, rounds = ROUNDS } = options;
  const lane = async (number: number): Promise<void> => {
    for (let round = 0; round < rounds; round++) {
      const story = STORIES[(number + round) % STORIES.length] as Story;
      await story(await make());
    }
  };
  await Promise.all(Array.from({ length: lanes }, (_, number) => lane(number)));
  await options.check?.();
}
