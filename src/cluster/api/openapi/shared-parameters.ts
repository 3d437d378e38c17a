import { stringAt, type JsonObject } from '../json.ts';

/** Clients have found out by these, where they stand, what a server can do. */
const ALONE: ReadonlySet<string> = new Set(['name', 'dryRun', 'fieldValidation']);

/** Parameters that many operations have, which are said once (kube-openapi/pkg/builder/parameters.go). */
export class SharedParameters {
  readonly shared: JsonObject = {};
  readonly #names = new Map<string, string>();

  /** What stands for a parameter: a reference, or itself. */
  get(parameter: JsonObject): JsonObject {
    const { in: where, schema } = parameter;
    const name = stringAt(parameter, 'name');
    if (where === 'body') {
      if (!stringAt(schema, '$ref').startsWith('#/definitions/io.k8s.apimachinery')) return parameter;
    } else if (ALONE.has(name)) return parameter;
    const text = JSON.stringify(parameter);
    let shared = this.#names.get(text);
    if (shared === undefined) {
      shared = `${name}-${hashOf(text)}`;
      this.#names.set(text, shared);
      this.shared[shared] = parameter;
    }
    return { $ref: `#/parameters/${shared}` };
  }
}

const [OFFSET, PRIME] = [0xcbf29ce484222325n, 0x100000001b3n];

/** 48 bits of FNV-1, http://www.isthe.com/chongo/tech/comp/fnv/. */
function hashOf(text: string): string {
  let hash = OFFSET;
  for (const byte of Buffer.from(text)) hash = BigInt.asUintN(64, hash * PRIME) ^ BigInt(byte);
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(hash);
  return bytes.toString('base64url', 0, 6);
}
