/**
 * Small samples of what is rare, for code that nobody has run: V8 compiles a function when it is first called, and a first definition
 * with rules has hundreds to call. Nothing of them is stored, nor asked of anybody else.
 */
import type { Clock } from '../../base/clock.ts';
import { assert } from '../../base/errors.ts';
import { yieldToLoop } from '../../base/yield-to-loop.ts';
import type { JsonObject } from '../api/json.ts';
import { builtinType, type ObjectType } from '../api/object-type.ts';
import { kindSchema } from '../api/schema.ts';
import { ruleCheck } from '../api/structural/rules.ts';
import { Structural } from '../api/structural/schema.ts';
import { parseYaml } from '../api/yaml.ts';
import { CRD_GROUP } from './custom/custom-resources.ts';
import { customType } from './custom/custom-type.ts';
import { decodeProtobuf, openEnvelope } from './encoding/protobuf.ts';
import { encodeEnvelope, encodeMessage } from './encoding/protobuf-writer.ts';
import { sampleCall } from './webhooks/sample-call.ts';

/** What is usual in YAML that people write. */
const YAML = `# a comment
a: {b: [1, "c", 'd']}
list:
- name: e
  value: |
    f
- true
`;

const GROUP = 'samples.example.com';
const KIND = 'Sample';

function schemaOf(rules: readonly string[]): JsonObject {
  const names = { type: 'array', maxItems: 5, items: { type: 'string', maxLength: 9, pattern: '^[a-z]+$' } };
  const size = { type: 'integer', minimum: 1, default: 2 };
  const spec = {
    type: 'object',
    required: ['names'],
    properties: { names, size, kind: { type: 'string', enum: ['a', 'b'] } },
    ...(rules.length > 0 && { 'x-kubernetes-validations': rules.map((rule) => ({ rule, message: rule })) }),
  };
  return { type: 'object', properties: { spec } };
}

const RULES = [
  "self.size < 5 || self.kind == 'b'",
  "!has(self.kind) || self.names.all(name, name.startsWith('a') && name.size() < 7)",
  'self.size >= oldSelf.size',
];

/** Reads, completes and checks it, once as new and once as changed, each in a turn of its own. */
async function written(type: ObjectType, sample: JsonObject): Promise<void> {
  const { object } = type.decode(sample);
  await yieldToLoop();
  type.applyDefaults(object);
  await yieldToLoop();
  const errors = type.validateCreate(object);
  assert(errors.length === 0, `a sample is valid: ${errors[0]?.field} ${errors[0]?.detail}`);
  await yieldToLoop();
  type.validateUpdate(object, object);
  await yieldToLoop();
  type.warnings(object);
}

function writtenDefinition(rules: readonly string[]): Promise<void> {
  const names = { plural: 'samples', singular: 'sample', kind: KIND, listKind: `${KIND}List` };
  const version = { name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: schemaOf(rules) } };
  return written(builtinType(kindSchema(CRD_GROUP, 'v1', 'CustomResourceDefinition')!), {
    apiVersion: `${CRD_GROUP}/v1`,
    kind: 'CustomResourceDefinition',
    metadata: { name: `samples.${GROUP}` },
    spec: { group: GROUP, scope: 'Namespaced', names, versions: [version] },
    status: { storedVersions: ['v1'] },
  });
}

function writtenObject(rules: readonly string[]): Promise<void> {
  const schema = new Structural(schemaOf(rules));
  const facts = { group: GROUP, version: 'v1', kind: KIND, namespaced: true, schema: () => schema };
  return written(customType({ ...facts, ...(rules.length > 0 && { rules: () => ruleCheck(schema) }) }), {
    apiVersion: `${GROUP}/v1`,
    kind: KIND,
    metadata: { name: 'a', namespace: 'default' },
    spec: { names: ['a', 'ab'], kind: 'a' },
  });
}

const POD = { apiVersion: 'v1', kind: 'Pod' };
const POD_KIND = kindSchema('', POD.apiVersion, POD.kind)!;

function podOf(name: string): JsonObject {
  const container = {
    name,
    image: 'i',
    env: [{ name: 'A', value: 'b' }],
    resources: { requests: { cpu: '1' } },
  };
  return {
    ...POD,
    metadata: { name, namespace: 'default', labels: { a: 'b' } },
    spec: { containers: [container] },
  };
}

/** As kubelets and controllers send it. */
function podInProtobuf(): Promise<void> {
  const body = encodeEnvelope(POD, encodeMessage(podOf('a'), POD_KIND.message));
  return written(builtinType(POD_KIND), decodeProtobuf(openEnvelope(body, POD.kind), POD_KIND));
}

function refusedPod(): void {
  const type = builtinType(POD_KIND);
  const { object } = type.decode(podOf('A_'));
  type.applyDefaults(object);
  const errors = type.validateCreate(object);
  assert(errors.length > 0, 'names of pods are of small letters');
}

/** Each has a turn, and needs what those before it have compiled. */
export const SAMPLES: readonly ((clock: Clock) => unknown)[] = [
  () => written(builtinType(POD_KIND), podOf('a')),
  podInProtobuf,
  refusedPod,
  () => parseYaml(Buffer.from(YAML)),
  () => writtenDefinition([]),
  () => writtenDefinition(RULES.slice(0, 1)),
  () => writtenDefinition(RULES),
  () => writtenObject([]),
  () => writtenObject(RULES),
  sampleCall,
];
