// The Range of an HTTP request: one range of bytes. Pure.

/** From the first byte to behind the last. `whole`: no range was asked for, or one that may be left alone (several, another unit). */
export type AskedRange =
  | { readonly kind: "whole" }
  | { readonly kind: "part"; readonly from: number; readonly to: number }
  /** Nothing of the file lies in it. */
  | { readonly kind: "outside" };

export function readRange(header: string | undefined, size: number): AskedRange {
  const [, first, last] = /^bytes=(\d{0,15})-(\d{0,15})$/i.exec(header ?? "") ?? [];
  if (first === undefined || last === undefined || (first === "" && last === "")) return { kind: "whole" };
  if (first === "") {
    const from = Math.max(0, size - Number(last));
    return from < size ? { kind: "part", from, to: size } : { kind: "outside" };
  }
  const from = Number(first);
  const to = last === "" ? size : Math.min(size, Number(last) + 1);
  if (last !== "" && Number(last) < from) return { kind: "whole" };
  return from < size ? { kind: "part", from, to } : { kind: "outside" };
}
