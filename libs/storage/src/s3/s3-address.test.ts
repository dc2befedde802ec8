import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { SheafError } from "@sheaf/runtime";
import { openStore } from "../open-store.ts";
import { parseS3Address } from "./s3-address.ts";

const parse = (text: string) => parseS3Address(new URL(text));

describe("parseS3Address()", () => {
  it("reads bucket, prefix and parameters, and writes them in one way", () => {
    assert.deepEqual(parse("s3://my-bucket"), {
      url: "s3://my-bucket",
      bucket: "my-bucket",
      prefix: "",
      endpoint: undefined,
      region: undefined,
      pathStyle: false,
      ca: undefined,
    });
    assert.deepEqual(
      parse("s3://b.1/a/b_c/?region=eu-west-1&path_style=false&endpoint=http%3A%2F%2F127.0.0.1%3A9000%2F"),
      {
        url: "s3://b.1/a/b_c?endpoint=http://127.0.0.1:9000&region=eu-west-1&path_style=false",
        bucket: "b.1",
        prefix: "a/b_c/",
        endpoint: "http://127.0.0.1:9000",
        region: "eu-west-1",
        pathStyle: false,
        ca: undefined,
      },
    );
    const own = parse("s3://bucket/p?endpoint=https://store.example&ca=/etc/own/ca.crt");
    assert.equal(own.pathStyle, true);
    assert.equal(own.ca, "/etc/own/ca.crt");
    // What it writes it reads.
    assert.deepEqual(parse(own.url), own);
  });

  it("refuses what is no address, by name, and says what would be one", async () => {
    const cases = {
      "s3://b": /3 to 63/,
      "s3://Bucket": /3 to 63/,
      "s3:///prefix": /3 to 63/,
      "s3://bucket/a//b": /prefix/,
      "s3://bucket/.a": /prefix/,
      "s3://bucket/a b": /prefix/,
      [`s3://bucket/${"x".repeat(513)}`]: /512/,
      "s3://bucket#x": /#/,
      "s3://bucket?endpiont=http://x": /"endpiont".*did you mean "endpoint".*endpoint, region, path_style, ca/,
      "s3://bucket?region=a&region=b": /twice/,
      "s3://bucket?region=a b": /region/,
      "s3://bucket?path_style=yes": /true or false/,
      "s3://bucket?endpoint=127.0.0.1:9000": /http:\/\/host:port/,
      "s3://bucket?endpoint=http://host/path": /without a path/,
      "s3://bucket?endpoint=ftp://host": /http:\/\/host:port/,
      "s3://bucket?endpoint=https://host&ca=ca.crt": /path of a file/,
      "s3://bucket?endpoint=http://host&ca=/ca.crt": /https:/,
      "s3://bucket?endpoint=https://host&ca=/no/such/file": /certificates in PEM.*\/no\/such\/file/,
      "s3://bucket?endpoint=https://host&ca=/dev/null": /ca=\/dev\/null.*certificates in PEM/,
    };
    for (const [text, words] of Object.entries(cases)) {
      await assert.rejects(
        () => openStore(text),
        (error: SheafError) => {
          assert.deepEqual([error.code, error.reason], ["INVALID_ARGUMENT", "STORE_URL"], text);
          assert.match(error.message, words, text);
          return true;
        },
      );
    }
  });

  it("never shows a secret that somebody wrote into it", () => {
    for (const text of [
      "s3://AKIA:hunter2@bucket/p",
      "s3://bucket?secret=hunter2",
      "s3://bucket?aws_access_key_id=hunter2",
      "s3://bucket?endpoint=http://user:hunter2@host",
      "s3://bucket?endpoint=http://host/hunter2",
      "s3://bucket?reigon=hunter2",
      "s3://bucket?region=hunter2!",
      "s3://bucket?path_style=hunter2",
    ]) {
      assert.throws(
        () => parse(text),
        ({ message }: SheafError) => !message.includes("hunter2"),
        text,
      );
    }
  });
});
