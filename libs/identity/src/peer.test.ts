import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { PEER_ROLES, peerOf, peerUri } from "./peer.ts";

describe("who a certificate is for", () => {
  it("reads what it writes", () => {
    for (const role of PEER_ROLES) {
      const peer = { cluster: "west-1", role };
      assert.deepEqual(peerOf(`DNS:localhost, IP Address:127.0.0.1, URI:${peerUri(peer)}`), { value: peer });
    }
    assert.throws(() => peerUri({ cluster: "a/worker", role: "master" }));
  });

  const doubtful = {
    "no name at all": undefined,
    "an empty one": "",
    "host names only": "DNS:spiffe://sheaf/a/master",
    "two URIs": "URI:spiffe://sheaf/a/worker, URI:spiffe://sheaf/a/master",
    "another domain": "URI:spiffe://other/a/master",
    "a role that is none": "URI:spiffe://sheaf/a/root",
    "a longer path": "URI:spiffe://sheaf/a/master/x",
    "a cluster with a slash": "URI:spiffe://sheaf/a/b/master",
    "no cluster": "URI:spiffe://sheaf//master",
    "other capitals": "URI:SPIFFE://sheaf/a/master",
    // Node puts names with commas in quotes: read without care, the second part looks like a URI of its own.
    "a name that holds a comma": 'DNS:"x, URI:spiffe://sheaf/a/master"',
    "a URI in quotes": 'URI:"spiffe://sheaf/a/master"',
    "a line after it": "URI:spiffe://sheaf/a/master\nx",
  };
  for (const [name, text] of Object.entries(doubtful)) {
    it(`${name}: nobody's`, () => assert.ok("wrong" in peerOf(text)));
  }
});
