import { decodeValue, type Decoded, type DecodeOptions } from '../../api/decode.ts';
import { required, type FieldError } from '../../api/field-error.ts';
import { getOwn, isJsonObject, setOwn, stringAt, type JsonObject, type JsonValue } from '../../api/json.ts';
import type { ValueSchema } from '../../api/managed-fields/value-schema.ts';
import { UNTYPED } from '../../api/managed-fields/value-schema.ts';
import type { ObjectType } from '../../api/object-type.ts';
import { builtinType } from '../../api/object-type.ts';
import { assert, PlatformError } from '../../../base/errors.ts';
import { apiVersionOf, kindSchema } from '../../api/schema.ts';
import { finalizerWarnings } from '../../api/warnings.ts';
import { ownershipOf } from '../../api/structural/ownership.ts';
import { fillDefaults, prune } from '../../api/structural/prune.ts';
import type { RuleCheck } from '../../api/structural/rules.ts';
import type { Structural } from '../../api/structural/schema.ts';
import { ratcheted, validateValue } from '../../api/structural/validate.ts';
import { validateMetadata, validateMetadataUpdate } from '../../api/validate/metadata.ts';

export interface CustomTypeFacts {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  readonly namespaced: boolean;
  readonly schema: Structural;
  /** Its x-kubernetes-validations, when there are any. */
  readonly rules?: RuleCheck | undefined;
}

const HEAD = new Set(['apiVersion', 'kind', 'metadata']);

/** Its metadata is Kubernetes' own, the rest is the definition's. */
export function customType({
  group,
  version,
  kind,
  namespaced,
  schema,
  rules: rule,
}: CustomTypeFacts): ObjectType {
  const metaSchema = kindSchema('meta.k8s.io', 'v1', 'PartialObjectMetadata');
  assert(metaSchema !== undefined, 'meta/v1 PartialObjectMetadata has a schema');
  const meta = builtinType(metaSchema);
  const own: Structural = {
    ...schema,
    properties: new Map([...schema.properties].filter(([name]) => !HEAD.has(name))),
    checks: { ...schema.checks, required: schema.checks.required.filter((name) => !HEAD.has(name)) },
  };
  const rules = { name: 'subdomain', clusterScoped: !namespaced, custom: true } as const;
  const valueOf = (object: JsonObject): JsonObject => {
    const { apiVersion: _apiVersion, kind: _kind, metadata: _metadata, ...value } = object;
    return value;
  };
  const content = ownershipOf(own);
  const ownership: ValueSchema = {
    type: 'struct',
    atomic: false,
    // Nobody owns it as a whole.
    zeros: new Map([['metadata', {}]]),
    field: (name) => {
      if (name === 'metadata' && meta.ownership.type === 'struct') return meta.ownership.field('metadata');
      if (HEAD.has(name)) return { type: 'scalar' };
      return content.type === 'struct' ? content.field(name) : UNTYPED;
    },
  };
  return {
    group,
    version,
    kind,
    ownership,
    fieldNames: ['apiVersion', 'kind', 'metadata', ...own.properties.keys()],
    decode(value: JsonValue, { duplicates = [], asSent = false }: DecodeOptions = {}): Decoded {
      if (!isJsonObject(value)) throw new PlatformError('invalid', `${kind}: the body is not an object`);
      const head: JsonObject = {};
      const rest: JsonObject = {};
      for (const name of Object.keys(value)) {
        const child = getOwn(value, name);
        if (child !== undefined) setOwn(HEAD.has(name) ? head : rest, name, child);
      }
      const decodedHead = decodeValue(head, metaSchema, { asSent });
      const unknown = [...decodedHead.unknown];
      const pruned = prune(rest, own, unknown) as JsonObject;
      for (const path of duplicates) unknown.push(`duplicate field "${path}"`);
      return { object: { ...decodedHead.object, ...pruned }, unknown };
    },
    applyDefaults(object) {
      fillDefaults(object, own);
    },
    warnings: finalizerWarnings,
    validateCreate(object) {
      const errors = [
        ...checkHead(object, group, version),
        ...validateMetadata(object, rules),
        ...validateValue(valueOf(object), own),
      ];
      // Rules take for granted that values are what the schema says.
      return errors.length > 0 ? errors : (rule?.(object, undefined) ?? []);
    },
    validateUpdate(object, old) {
      const errors = [
        ...checkHead(object, group, version),
        ...validateMetadata(object, rules),
        ...validateMetadataUpdate(object, old),
        ...ratcheted(validateValue(valueOf(object), own), {
          schema: own,
          value: valueOf(object),
          old: valueOf(old),
        }),
      ];
      return errors.length > 0 ? errors : (rule?.(object, old) ?? []);
    },
  };
}

function checkHead(object: JsonObject, group: string, version: string): FieldError[] {
  return stringAt(object, 'apiVersion') === apiVersionOf(group, version) ? [] : [required('apiVersion')];
}
