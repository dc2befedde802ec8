import { type FieldViolation, invalidArgument } from "@sheaf/runtime";

/** Collects all that is wrong with a request, so that a user mends it in one go. */
export class Violations {
  readonly #found: FieldViolation[] = [];

  add(field: string, description: string): void {
    this.#found.push({ field, description });
  }

  /** Adds what is wrong unless `ok`. */
  require(ok: boolean, field: string, description: string): void {
    if (!ok) this.add(field, description);
  }

  /** Throws one INVALID_ARGUMENT that names all of it. */
  throwIfAny(reason: string, what: string): void {
    if (this.#found.length === 0) return;
    const text = this.#found.map(({ field, description }) => `${field}: ${description}`).join("; ");
    throw invalidArgument(reason, `${what}: ${text}`, { details: this.#found });
  }
}
