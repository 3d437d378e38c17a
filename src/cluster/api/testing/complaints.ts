/** What validation says of minimal objects that someone spoils. */
import assert from 'node:assert/strict';
import { applyDefaults } from '../defaults.ts';
import { fieldErrorText } from '../field-error.ts';
import { jsonCopy, type JsonObject, type JsonValue } from '../json.ts';
import { mergePatch } from '../patch.ts';
import { kindSchema, type KindSchema } from '../schema.ts';
import { validateCreate, validateUpdate } from '../validate.ts';
import { minimalObject } from './minimal-objects.ts';

function parts(name: string): { group: string; version: string; kind: string } {
  const slash = name.lastIndexOf('/');
  const [group, kind] = [name.slice(0, slash), name.slice(slash + 1)];
  return { group, version: group === 'autoscaling' ? 'v2' : 'v1', kind };
}

function base(name: string): JsonObject {
  const object = minimalObject(parts(name));
  assert.ok(object, name);
  // What a server does before it validates.
  if (name === 'batch/Job') return { ...object, ...selected(object) };
  if (name.endsWith('/CustomResourceDefinition')) return { ...object, status: { storedVersions: ['v1'] } };
  return object;
}

/** A job as its strategy leaves it. */
function selected(job: JsonObject): JsonObject {
  const labels = {
    'batch.kubernetes.io/controller-uid': 'u1',
    'batch.kubernetes.io/job-name': 'web',
    'controller-uid': 'u1',
    'job-name': 'web',
  };
  const patch: JsonObject = {
    metadata: { uid: 'u1' },
    spec: {
      selector: { matchLabels: { 'batch.kubernetes.io/controller-uid': 'u1' } },
      template: { metadata: { labels } },
    },
  };
  return mergePatch(jsonCopy(job), patch) as JsonObject;
}

function schemaOf(name: string): KindSchema {
  const { group, version, kind } = parts(name);
  const schema = kindSchema(group, version, kind);
  assert.ok(schema);
  return schema;
}

/** Complaints about a minimal object with `patch` merged in, as `field: text`. */
export function created(name: string, patch: JsonValue): string[] {
  const schema = schemaOf(name);
  const object = applyDefaults(schema, mergePatch(base(name), patch) as JsonObject);
  return validateCreate(schema, object).map((error) => `${error.field}: ${fieldErrorText(error)}`);
}

/** Complaints about a change of a minimal object that had `before` merged in. */
export function updated(
  name: string,
  patch: JsonValue,
  before: JsonValue = {},
  ...[endpoint = 'main']: readonly string[]
): string[] {
  const schema = schemaOf(name);
  const old = applyDefaults(schema, mergePatch(base(name), before) as JsonObject);
  const object = applyDefaults(schema, mergePatch(jsonCopy(old), patch) as JsonObject);
  return validateUpdate(schema, object, { old, endpoint }).map(
    (error) => `${error.field}: ${fieldErrorText(error)}`,
  );
}
