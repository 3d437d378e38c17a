import { decodeValue, type Decoded, type DecodeOptions } from '../../api/decode.ts';
import { jsonTypeName } from '../../api/go-errors.ts';
import { fieldErrorText, invalid, required, type FieldError } from '../../api/field-error.ts';
import { lazily } from '../../api/lazily.ts';
import { getOwn, isJsonObject, setOwn, stringAt, type JsonObject, type JsonValue } from '../../api/json.ts';
import type { ValueSchema } from '../../api/managed-fields/value-schema.ts';
import type { ObjectType } from '../../api/object-type.ts';
import { assert, isPlatformError, PlatformError } from '../../../base/errors.ts';
import { apiVersionOf, kindSchema } from '../../api/schema.ts';
import type { ScalePaths } from '../../api/resource-declaration.ts';
import { finalizerWarnings } from '../../api/warnings.ts';
import { coerceEmbedded, embeddedErrors } from '../../api/structural/embedded.ts';
import { duplicatesIn } from '../../api/structural/list-keys.ts';
import { headOwnership, ownershipOf } from '../../api/structural/ownership.ts';
import { fillDefaults, prune } from '../../api/structural/prune.ts';
import type { RuleCheck } from '../../api/structural/rules.ts';
import type { Structural } from '../../api/structural/schema.ts';
import { NO_FIELD, ratcheted, validateValue } from '../../api/structural/validate.ts';
import { validateMetadata, validateMetadataUpdate, validatePrefix } from '../../api/validate/metadata.ts';
import { scaleErrors } from './scale-values.ts';

export interface CustomTypeFacts {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  readonly namespaced: boolean;
  /** Asked for with the first object. */
  readonly schema: () => Structural;
  readonly scale?: ScalePaths | undefined;
  /** Its x-kubernetes-validations, when there are any; asked for with the first write. */
  readonly rules?: () => RuleCheck | undefined;
}

const HEAD = new Set(['apiVersion', 'kind', 'metadata']);

/** Its metadata is Kubernetes' own, the rest is the definition's. */
export function customType({
  group,
  version,
  kind,
  namespaced,
  schema,
  scale,
  rules: ruleCheck = () => undefined,
}: CustomTypeFacts): ObjectType {
  const metaSchema = kindSchema('meta.k8s.io', 'v1', 'PartialObjectMetadata');
  assert(metaSchema !== undefined, 'meta/v1 PartialObjectMetadata has a schema');
  const headSchema = { ...metaSchema, kind, version };
  const refusal = `${kind} in version "${version}" cannot be handled as a ${kind}: `;
  const own = lazily(() => schema().narrowed((name) => !HEAD.has(name)));
  const rules = { name: 'subdomain', clusterScoped: !namespaced, custom: true } as const;
  const valueOf = (object: JsonObject): JsonObject => {
    const { apiVersion: _apiVersion, kind: _kind, metadata: _metadata, ...value } = object;
    return value;
  };
  const readMetadata = (metadata: JsonValue, path: string, unknown: string[]): JsonValue => {
    const bad = (why: string): PlatformError => {
      const text = fieldErrorText(invalid('', metadata, why));
      return new PlatformError('invalid', `${path}: ${text}`);
    };
    if (metadata !== null && !isJsonObject(metadata))
      throw bad(`json: cannot unmarshal ${jsonTypeName(metadata)} into Go value of type v1.ObjectMeta`);
    try {
      const decoded = decodeValue({ metadata }, headSchema);
      for (const one of decoded.unknown) unknown.push(one.replace('"metadata', `"${path}`));
      return getOwn(decoded.object, 'metadata') ?? {};
    } catch (error) {
      if (!isPlatformError(error)) throw error;
      throw bad(aloneText(error.message).slice(refusal.length));
    }
  };
  const decodeHead = (head: JsonObject, options: DecodeOptions): Decoded => {
    try {
      return decodeValue(head, headSchema, options);
    } catch (error) {
      if (!isPlatformError(error)) throw error;
      throw new PlatformError('invalid', aloneText(error.message), { details: error.details });
    }
  };
  const coerce = (value: JsonObject, unknown: string[], { merged = false }: DecodeOptions): void => {
    try {
      coerceEmbedded(value, own(), (metadata, path) => readMetadata(metadata, path, unknown));
    } catch (error) {
      if (!isPlatformError(error)) throw error;
      // Of what is merged all that is wrong is told together, by validation.
      if (!merged)
        throw new PlatformError('invalid', `${refusal}${error.message}`, { details: error.details });
    }
  };
  const ownership: ValueSchema = {
    type: 'struct',
    atomic: false,
    get open() {
      return own().preserveUnknown;
    },
    // Nobody owns it as a whole.
    zeros: new Map([['metadata', {}]]),
    field: (name) => {
      const content = ownershipOf(own());
      return headOwnership(name) ?? (content.type === 'struct' ? content.field(name) : undefined);
    },
  };
  return {
    group,
    version,
    kind,
    ownership,
    get fieldNames() {
      return ['apiVersion', 'kind', 'metadata', ...own().properties.keys()];
    },
    /** Of the prior it keeps whole outermost fields, and the metadata as any kind does. */
    decode(value: JsonValue, options: DecodeOptions = {}): Decoded {
      const { duplicates = [], asSent = false, merged = false, prior } = options;
      if (!isJsonObject(value)) throw new PlatformError('invalid', `${kind}: the body is not an object`);
      const head: JsonObject = {};
      const rest: JsonObject = {};
      const kept: JsonObject = {};
      for (const name of Object.keys(value)) {
        const child = getOwn(value, name);
        if (child === undefined) continue;
        const isKept = prior !== undefined && child === getOwn(prior, name) && !HEAD.has(name);
        setOwn(HEAD.has(name) ? head : isKept ? kept : rest, name, child);
      }
      const decodedHead = decodeHead(head, { asSent, prior });
      const unknown = [...decodedHead.unknown];
      // What is applied has been looked at by its type, and what it does not own is pruned with the rest.
      if (asSent) return { object: { ...decodedHead.object, ...rest }, unknown };
      const pruned = prune(rest, own(), { unknown, keepsNulls: merged }) as JsonObject;
      coerce(pruned, unknown, options);
      for (const path of duplicates) unknown.push(`duplicate field "${path}"`);
      const content = prior === undefined ? pruned : inOrderOf(value, { ...kept, ...pruned });
      return { object: { ...decodedHead.object, ...content }, unknown };
    },
    applyDefaults(object, prior) {
      fillDefaults(object, own(), prior);
    },
    warnings: finalizerWarnings,
    validateCreate(object) {
      const value = valueOf(object);
      const [schema, rule] = [own(), ruleCheck()];
      return withRules(
        [
          ...checkHead(object, group, version),
          ...validateMetadata(object, rules),
          ...validateValue(value, schema),
          ...(scale === undefined ? [] : scaleErrors(object, scale)),
          ...embeddedErrors(value, schema),
          ...duplicatesIn(value, schema),
        ],
        rule,
        () => rule?.(object, undefined) ?? [],
      );
    },
    validateUpdate(object, old, endpoint = 'main') {
      const [value, before] = [valueOf(object), valueOf(old)];
      const isStatus = endpoint === 'status';
      const [schema, rule] = [own(), ruleCheck()];
      return withRules(
        [
          ...checkHead(object, group, version),
          ...validatePrefix(object),
          // What is there has its name.
          ...validateMetadata(object, { ...rules, name: 'path-segment' }),
          ...validateMetadataUpdate(object, old),
          ...(isStatus ? statusErrors(value, before, schema) : changeErrors(value, before, schema)),
          ...(scale === undefined
            ? []
            : scaleErrors(object, isStatus ? { ...scale, specReplicas: [] } : scale)),
          ...(isStatus ? [] : embeddedErrors(value, schema)),
          // Who has had duplicates may go on with them.
          ...(duplicatesIn(before, schema).length > 0 ? [] : duplicatesIn(value, schema)),
        ],
        rule,
        () => rule?.(object, old) ?? [],
      );
    },
  };
}

/** The members of an object in the order in which another one has them. */
function inOrderOf(order: JsonObject, members: JsonObject): JsonObject {
  const ordered: JsonObject = {};
  for (const name of Object.keys(order)) {
    const member = getOwn(members, name);
    if (member !== undefined) setOwn(ordered, name, member);
  }
  return ordered;
}

/** Metadata is read by itself. */
function aloneText(message: string): string {
  return message.replace('ObjectMeta.metadata.', 'ObjectMeta.');
}

function changeErrors(value: JsonValue, old: JsonValue, schema: Structural): FieldError[] {
  return ratcheted(validateValue(value, schema), { schema, value, old });
}

/** The status is validated alone: texts name its fields without it, paths with it. */
function statusErrors(object: JsonObject, old: JsonObject, schema: Structural): FieldError[] {
  const own = schema.properties.get('status');
  const value = getOwn(object, 'status');
  if (own === undefined || value === undefined) return [];
  return changeErrors(value, getOwn(old, 'status') ?? null, own).map((error) => ({
    ...error,
    field: error.field === '' || error.field === NO_FIELD ? 'status' : `status.${error.field}`,
  }));
}

const BLOCKING: ReadonlySet<string> = new Set([
  'Unsupported value',
  'Required value',
  'Too long',
  'Too many',
]);

/** Rules take for granted that values are of the types and sizes that the schema says. */
function withRules(
  errors: readonly FieldError[],
  rule: RuleCheck | undefined,
  run: () => readonly FieldError[],
): FieldError[] {
  if (rule === undefined) return [...errors];
  if (!errors.some(({ type, isType }) => BLOCKING.has(type) || isType === true)) return [...errors, ...run()];
  const detail =
    'some validation rules were not checked because the object was invalid; correct the existing errors to complete validation';
  return [...errors, invalid('<nil>', null, detail)];
}

function checkHead(object: JsonObject, group: string, version: string): FieldError[] {
  return stringAt(object, 'apiVersion') === apiVersionOf(group, version) ? [] : [required('apiVersion')];
}
