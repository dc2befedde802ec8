/** Values of the contract's enums as words: JOB_STATE_SUCCEEDED is "succeeded". */
import type { DescEnum, EnumShape } from "@bufbuild/protobuf";

export function enumWord(desc: DescEnum, value: number): string {
  return desc.value[value]?.localName.toLowerCase() ?? String(value);
}

/** The words, and their values; the value that means "not set" is not among them. */
export function enumWords<D extends DescEnum>(desc: D): ReadonlyMap<string, EnumShape<D>> {
  const set = desc.values.filter(({ number }) => number !== 0);
  return new Map(set.map(({ localName, number }) => [localName.toLowerCase(), number as EnumShape<D>]));
}
