// What the programs of the simulation take from the kit, for those in folders of their own.
export { numberOf, readOptions } from "../kit/arguments.ts";
