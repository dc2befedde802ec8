/** An image as one file, in the layout of the Open Container Initiative: what containerd, podman, skopeo and docker read. */
import { createHash } from "node:crypto";
import { createWriteStream, mkdtempSync, renameSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { pipeline } from "node:stream/promises";
import { complete, copy, type Entry, text } from "./entry.ts";
import { tar } from "./tar.ts";

export interface Image {
  /** `sheaf:dev`, with a registry's name before it or without. */
  readonly name: string;
  /** From the one that changes least. */
  readonly layers: readonly (readonly Entry[])[];
  /** User, Entrypoint, Env, WorkingDir, Labels. */
  readonly config: Readonly<Record<string, unknown>>;
}

interface Blob {
  readonly digest: string;
  readonly size: number;
  readonly entry: Entry;
}

const TYPE = "application/vnd.oci.image";
const ARCHITECTURES: Readonly<Record<string, string>> = { x64: "amd64", arm64: "arm64" };

/** Writes the image to `file` and returns its digest. Layers are not compressed: registries do that, and an import is quicker. */
export async function writeImage(image: Image, file: string): Promise<string> {
  const work = mkdtempSync(join(dirname(file), ".image-"));
  try {
    const layers: Blob[] = [];
    for (const [i, entries] of image.layers.entries()) layers.push(await layer(entries, join(work, `layer-${i}`)));
    const config = json({
      architecture: ARCHITECTURES[process.arch] ?? process.arch,
      os: "linux",
      config: { Env: ["PATH=/usr/local/bin:/usr/bin:/bin"], ...image.config },
      rootfs: { type: "layers", diff_ids: layers.map(({ digest }) => digest) },
    });
    const manifest = json({
      schemaVersion: 2,
      mediaType: `${TYPE}.manifest.v1+json`,
      config: described(config, "config.v1+json"),
      layers: layers.map((blob) => described(blob, "layer.v1.tar")),
    });
    const tag = image.name.slice(image.name.lastIndexOf(":") + 1);
    const annotations = { "io.containerd.image.name": fullName(image.name), "org.opencontainers.image.ref.name": tag };
    const manifests = [{ ...described(manifest, "manifest.v1+json"), annotations }];
    const entries = [
      text("oci-layout", JSON.stringify({ imageLayoutVersion: "1.0.0" })),
      text("index.json", JSON.stringify({ schemaVersion: 2, manifests })),
      ...[config, manifest, ...layers].map(({ entry }) => entry),
    ];
    await write(complete(entries), join(work, "image"));
    renameSync(join(work, "image"), file);
    return manifest.digest;
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** What containerd and Kubernetes make of a short name. */
export function fullName(name: string): string {
  const [first = "", ...rest] = name.split("/");
  if (rest.length === 0) return `docker.io/library/${name}`;
  return /[.:]|^localhost$/.test(first) ? name : `docker.io/${name}`;
}

async function layer(entries: readonly Entry[], file: string): Promise<Blob> {
  const { hash, size } = await write(complete(entries), file);
  return { digest: `sha256:${hash}`, size, entry: copy(blobPath(hash), file) };
}

function json(value: unknown): Blob {
  const content = JSON.stringify(value);
  const hash = createHash("sha256").update(content).digest("hex");
  return { digest: `sha256:${hash}`, size: Buffer.byteLength(content), entry: text(blobPath(hash), content) };
}

const blobPath = (hash: string) => `blobs/sha256/${hash}`;
const described = ({ digest, size }: Blob, type: string) => ({ mediaType: `${TYPE}.${type}`, digest, size });

async function write(entries: readonly Entry[], file: string): Promise<{ hash: string; size: number }> {
  const hash = createHash("sha256");
  let size = 0;
  async function* counted(chunks: AsyncIterable<Buffer>) {
    for await (const chunk of chunks) {
      hash.update(chunk);
      size += chunk.length;
      yield chunk;
    }
  }
  await pipeline(tar(entries), counted, createWriteStream(file));
  return { hash: hash.digest("hex"), size };
}
