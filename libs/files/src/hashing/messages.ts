// What a hash thread is told, and what it answers. The memory goes there and comes back; it is never shared.

export interface Task {
  readonly fd: number;
  readonly offset: number;
  readonly length: number;
  readonly memory: ArrayBuffer;
}

export type Answer =
  /** `length`: fewer than were asked for where the file ends. */
  | { readonly ok: true; readonly memory: ArrayBuffer; readonly length: number; readonly sha256: Uint8Array }
  | { readonly ok: false; readonly memory: ArrayBuffer; readonly message: string; readonly code: string | undefined };
