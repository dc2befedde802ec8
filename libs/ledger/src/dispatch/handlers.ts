import type { dispatch } from "@sheaf/proto";
import type { Handlers } from "@sheaf/rpc";
import type { Dispatcher } from "../door.ts";

/** The dispatch service of a replica, to be mounted on its gRPC server. */
export function dispatchHandlers(dispatcher: Dispatcher): Handlers<typeof dispatch.DispatchService> {
  return {
    session: async (stream, { draining }) => {
      const over = Promise.withResolvers<void>();
      const session = dispatcher.session({
        requests: stream.messages,
        send: (message) => stream.write(message),
        close: over.resolve,
      });
      draining.addEventListener("abort", () => over.resolve(), { once: true });
      // Returning ends the stream, and with it the messages that the session waits for.
      await Promise.race([session, over.promise]);
    },
  };
}
