import type { KeyValue } from "@sheaf/etcd";
import type { api } from "@sheaf/proto";
import { NAME } from "@sheaf/runtime";
import type { World } from "../context.ts";
import { pageToken, readPage, tokenInvalid } from "./paging.ts";

export interface ListAsked {
  /** Of etcd: "/sheaf/c/repos/". */
  readonly prefix: string;
  /** Which list, for its tokens. */
  readonly list: string;
  readonly page: api.Page | undefined;
  /** Only names that begin with this. */
  readonly begin: string;
}

export interface ListedPage {
  readonly rows: readonly KeyValue[];
  /** Token of the next page; empty at the end. */
  readonly next: string;
}

/** etcd gives at most so many keys at a time. */
const ETCD_PAGE_MAX = 500;

/** A page of keys whose last part is a name, by name. */
export async function listPage({ etcd }: World, asked: ListAsked): Promise<ListedPage> {
  const { size, after } = readPage(asked.page, asked.list);
  if (after !== undefined && !NAME.test(after)) throw tokenInvalid();
  const rows: KeyValue[] = [];
  let from = after === undefined ? undefined : asked.prefix + after;
  for (;;) {
    const limit = Math.min(ETCD_PAGE_MAX, size + 1 - rows.length);
    const { kvs, more } = await etcd.page(asked.prefix + asked.begin, {
      limit,
      ...(from !== undefined && { after: from }),
    });
    rows.push(...kvs);
    from = kvs.at(-1)?.key;
    if (rows.length > size) break;
    if (!more || from === undefined) return { rows, next: "" };
  }
  const shown = rows.slice(0, size);
  return { rows: shown, next: pageToken(asked.list, shown.at(-1)?.key.slice(asked.prefix.length) ?? "") };
}
