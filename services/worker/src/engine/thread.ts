// The engine's thread. Everything that may take long happens here, never in the main thread.

import { type MessagePort, parentPort } from "node:worker_threads";
import { createLogger, keepCompiled, systemClock } from "@sheaf/runtime";
import { openStore } from "@sheaf/storage";
import { failedWith, type RunningEngine, startEngine } from "./assemble.ts";
import type { EngineData, FromEngine, ToEngine } from "./messages.ts";

/** The first message opens the engine; those that come while it opens wait for it. */
function listen(port: MessagePort): void {
  let engine: Promise<RunningEngine | undefined> = Promise.resolve(undefined);
  port.on("message", async (message: ToEngine) => {
    if (message.t === "open") {
      engine = open(port, message.data);
      return;
    }
    const running = await engine;
    if (message.t !== "stop") return running?.engine.handle(message);
    running?.close();
    port.close();
  });
}

async function open(port: MessagePort, data: EngineData): Promise<RunningEngine | undefined> {
  const log = createLogger({ component: "worker", env: process.env }).child({ worker: data.worker });
  const send = (message: FromEngine) => port.postMessage(message);
  try {
    // Whether the store answers is found out while sessions begin.
    const source = await openStore(data.store, { mustExist: true, onWrong: (error) => send(failedWith(error)) });
    const running = await startEngine(data, source, { clock: systemClock, log, env: process.env, send });
    send({ t: "started", isolation: running.isolation });
    keepCompiled();
    return running;
  } catch (error) {
    send(failedWith(error));
    return undefined;
  }
}

if (parentPort !== null) listen(parentPort);
