import assert from "node:assert/strict";
import { test } from "node:test";
import { refuseWildcard } from "./wildcard.ts";

const at = (host: string, port = 7450) => ({ host, port });

test("what others are told has to be a place where somebody can be called", () => {
  refuseWildcard(at("0.0.0.0"), at("sheaf.example"), "--advertise");
  refuseWildcard(at("127.0.0.1", 0), undefined, "--advertise");
  const refused = [
    [at("0.0.0.0"), undefined, /^it listens on 0\.0\.0\.0, .*--advertise says/],
    [at("127.0.0.1"), at("0.0.0.0"), /^--advertise is 0\.0\.0\.0:7450, where nobody/],
    [at("127.0.0.1"), at("::"), /^--advertise is \[::\]:7450, where nobody/],
    [at("127.0.0.1"), at("sheaf.example", 0), /^--advertise is sheaf\.example:0, where nobody/],
  ] as const;
  for (const [listen, advertised, message] of refused)
    assert.throws(() => refuseWildcard(listen, advertised, "--advertise"), { reason: "ADVERTISE_MISSING", message });
});
