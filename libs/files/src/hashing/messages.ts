// What a hash thread is told, and what it answers. The memory of a read goes there and comes back; it is never shared.

export type Task = {
  readonly fd: number;
  readonly offset: number;
  readonly length: number;
} & (
  | { readonly kind: "read"; readonly memory: ArrayBuffer }
  /** Written to `to`, from `toOffset` on, while it is hashed. */
  | { readonly kind: "copy"; readonly to: number; readonly toOffset: number }
);

export type Answer =
  /** `length`: fewer than were asked for where the file ends. `memory`: of a read. */
  | {
      readonly ok: true;
      readonly memory: ArrayBuffer | undefined;
      readonly length: number;
      readonly sha256: Uint8Array;
    }
  | {
      readonly ok: false;
      readonly memory: ArrayBuffer | undefined;
      readonly message: string;
      readonly code: string | undefined;
    };
