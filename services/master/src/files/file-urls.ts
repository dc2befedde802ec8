/**
 * Files by URL, for bulk and for whoever speaks no RPC. A file is a list of segments, ranges of packs that hold other files as well, so it is
 * no object that could be presigned: the master puts it together, and checks each segment against its hash before its last bytes leave, so that
 * a damaged one ends in a broken connection. It keeps some MiB of a transfer (of a store in S3, 32). There the same bytes can be had past the
 * master, as presigned ranges.
 */

import { durationMs, timestampFromMs } from "@bufbuild/protobuf/wkt";
import { openCommit, packKey, streamSegments } from "@sheaf/files";
import type { api, store } from "@sheaf/proto";
import type { HttpAnswer, HttpRequest, HttpRoute } from "@sheaf/rpc";
import { notFound, permissionDenied, resourceExhausted } from "@sheaf/runtime";
import { findCommit } from "../api/commits.ts";
import { DOWNLOADS_MAX, PIECES_MAX, URL_SECONDS_DEFAULT, URL_SECONDS_MAX } from "../api/limits.ts";
import { Violations } from "../api/violations.ts";
import type { World } from "../context.ts";
import { readRange } from "./byte-range.ts";
import { FILES_PREFIX, readSignedPath, signedPath } from "./signed-paths.ts";
import { UrlKey } from "./url-key.ts";

export interface FileUrlsDeps {
  readonly world: World;
  /** "http://127.0.0.1:7450": where callers reach this master. */
  readonly apiUrl: () => string;
}

/** A file of a commit, found. */
export interface FoundFile {
  readonly repo: string;
  readonly commit: string;
  readonly entry: store.FileEntry;
}

export class FileUrls {
  readonly #deps: FileUrlsDeps;
  readonly #key: UrlKey;
  #downloads = 0;

  constructor(deps: FileUrlsDeps) {
    this.#deps = deps;
    this.#key = new UrlKey(deps.world);
  }

  /** Serves the addresses. */
  route(): HttpRoute {
    return { prefix: FILES_PREFIX, answer: (request) => this.#answer(request) };
  }

  async urlOf({ repo, commit, entry }: FoundFile, { expiresIn }: Pick<api.GetFileUrlRequest, "expiresIn">) {
    const { world, apiUrl } = this.#deps;
    const seconds = readSeconds(expiresIn === undefined ? URL_SECONDS_DEFAULT : durationMs(expiresIn) / 1_000);
    const expires = Math.floor(world.clock.wall() / 1_000) + seconds;
    const path = signedPath({ repo, commit, path: entry.path, expires }, await this.#key.get());
    return {
      url: `${apiUrl()}${path}`,
      expires: timestampFromMs(expires * 1_000),
      pieces: await piecesOf(world, entry, seconds),
    };
  }

  async #answer(request: HttpRequest): Promise<HttpAnswer> {
    const { world } = this.#deps;
    const now = Math.floor(world.clock.wall() / 1_000);
    const read = readSignedPath(request.path, request.query, await this.#key.get(), now);
    if (read.kind !== "good") throw refused(read.kind);
    const { repo, commit, path } = read.file;
    const found = await findCommit(world, { $typeName: "sheaf.api.v1.CommitRef", repo, ref: commit });
    const entry = await (await openCommit(world.store, found.record.manifest)).find(path);
    if (entry === undefined) throw notFound("FILE_NOT_FOUND", `commit ${commit} of repo "${repo}" has no such file`);
    return this.#send(entry, request);
  }

  #send(entry: store.FileEntry, { header, method }: HttpRequest): HttpAnswer {
    const size = Number(entry.size);
    const etag = `"${Buffer.from(entry.hash).toString("hex")}"`;
    const common = {
      "accept-ranges": "bytes",
      "content-type": "application/octet-stream",
      // Anybody may have written the file: a browser is to save it, never to run it.
      "content-disposition": "attachment",
      "x-content-type-options": "nosniff",
      "cache-control": "private, immutable",
      etag,
    };
    // Who goes on with another file's beginning shall not get the rest of this one.
    const wanted = header("if-match");
    if (wanted !== undefined && !listed(wanted, ["*", etag])) return { status: 412, headers: common };
    if (names(header("if-none-match"), etag)) return { status: 304, headers: common };
    const fits = (header("if-range") ?? etag) === etag;
    const range = readRange(fits ? header("range") : undefined, size);
    if (range.kind === "outside") return { status: 416, headers: { ...common, "content-range": `bytes */${size}` } };
    const { from, to } = range.kind === "part" ? range : { from: 0, to: size };
    const headers = {
      ...common,
      "content-length": String(to - from),
      ...(range.kind === "part" && { "content-range": `bytes ${from}-${to - 1}/${size}` }),
    };
    const status = range.kind === "part" ? 206 : 200;
    return method === "HEAD" ? { status, headers } : { status, headers, body: this.#bytes(entry, from, to) };
  }

  async *#bytes({ segments }: store.FileEntry, from: number, to: number): AsyncGenerator<Uint8Array, void, void> {
    if (this.#downloads >= DOWNLOADS_MAX) {
      const text = `${DOWNLOADS_MAX} files are being sent by URL at this master: try again`;
      throw resourceExhausted("TOO_MANY_DOWNLOADS", text, { retryDelayMs: 1_000 });
    }
    this.#downloads++;
    try {
      const part = overlapping(segments, from, to);
      let at = part.start;
      for await (const piece of streamSegments(this.#deps.world.store, part.segments)) {
        const asked = piece.subarray(Math.max(0, from - at), Math.max(0, Math.min(piece.length, to - at)));
        if (asked.length > 0) yield asked;
        at += piece.length;
      }
    } finally {
      this.#downloads--;
    }
  }
}

/** Whether an If-None-Match names the file: any, or one of several, also as a proxy weakens them. */
function names(header: string | undefined, etag: string): boolean {
  return header !== undefined && listed(header, ["*", etag, `W/${etag}`]);
}

function listed(header: string, etags: readonly string[]): boolean {
  return header.split(",").some((each) => etags.includes(each.trim()));
}

/** The segments that hold bytes of [from, to); `start`: where the first of them begins. */
function overlapping(segments: readonly store.Segment[], from: number, to: number) {
  const part: store.Segment[] = [];
  let start = 0;
  let at = 0;
  for (const segment of segments) {
    if (at + segment.length <= from) start = at + segment.length;
    else if (at < to) part.push(segment);
    at += segment.length;
  }
  return { segments: part, start };
}

async function piecesOf({ store: objects }: World, { segments }: store.FileEntry, seconds: number) {
  if (objects.presign === undefined || segments.length > PIECES_MAX) return [];
  return Promise.all(
    segments.map(async ({ pack, offset, length, sha256 }) => {
      const signed = await objects.presign?.(packKey(pack), { offset: Number(offset), length }, seconds);
      return { url: signed?.url ?? "", headers: { ...signed?.headers }, bytes: BigInt(length), sha256 };
    }),
  );
}

function readSeconds(seconds: number): number {
  const violations = new Violations();
  const ok = seconds >= 1 && seconds <= URL_SECONDS_MAX; // NaN is neither
  violations.require(ok, "expires_in", `is ${seconds} s: use 1 s to ${URL_SECONDS_MAX / 3_600} h`);
  violations.throwIfAny("EXPIRY_INVALID", "the request is not valid");
  return Math.floor(seconds);
}

function refused(kind: "forged" | "expired") {
  const again = "ask for another with GetFileUrl";
  if (kind === "expired") return permissionDenied("URL_EXPIRED", `the address is no longer good: ${again}`);
  return permissionDenied("URL_FORGED", `the address is not one that was signed here: ${again}`);
}
