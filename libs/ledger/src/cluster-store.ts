/** The store of a cluster, as its services open it. */
import type { Etcd, Keys } from "@sheaf/etcd";
import { openStore, type Store, withRecentPuts } from "@sheaf/storage";

/**
 * Opens the store at `url`. A folder is made into a store only while the cluster has no repo: later an empty one is a disk that is not
 * mounted, and jobs would fail for objects that are not lost. Throws what `openStore` throws.
 */
export async function openClusterStore(url: string, etcd: Etcd, keys: Keys): Promise<Store> {
  const { kvs } = await etcd.list(keys.repos(), { limit: 1 });
  return withRecentPuts(await openStore(url, { mustExist: kvs.length > 0 }));
}
