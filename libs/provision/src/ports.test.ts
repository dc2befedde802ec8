import assert from "node:assert/strict";
import { createServer } from "node:net";
import { describe, it } from "node:test";
import { freePorts, portRange } from "./ports.ts";

const HOST = "127.0.0.1";

describe("freePorts", () => {
  it("gives different ports of its range", async () => {
    const [first = 0] = await freePorts(1);
    const range = { first, last: first + 20 };
    const ports = await freePorts(5, HOST, range);
    assert.equal(new Set(ports).size, 5);
    assert.ok(ports.every((port) => port >= range.first && port <= range.last));
  });

  it("says so when none of its range is free", async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, HOST, resolve));
    const { port } = server.address() as { port: number };
    const message = `no free port from ${port} to ${port} was found: stop a program, or give another range in SHEAF_PORTS`;
    await assert.rejects(freePorts(1, HOST, { first: port, last: port }), { reason: "NO_PORTS", message });
    server.close();
  });

  it("takes a range from text, and refuses what is none", () => {
    assert.deepEqual(portRange("16000-16100"), { first: 16_000, last: 16_100 });
    assert.deepEqual(portRange(""), portRange(undefined));
    for (const text of ["x", "20", "20-10", "0-10", "1-65536", "1-2-3", " 1-2"])
      assert.throws(() => portRange(text), {
        reason: "PORTS_INVALID",
        message: `SHEAF_PORTS "${text}" is no range of ports: write it like 16000-20000`,
      });
  });
});
