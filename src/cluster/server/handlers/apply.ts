/** Server-side apply: PATCH with application/apply-patch+yaml (KEP-555). */
import { errorMessage, isPlatformError, PlatformError } from '../../../base/errors.ts';
import type { Decoded } from '../../api/decode.ts';
import { jsonTypeName } from '../../api/go-errors.ts';
import { applyConfiguration } from '../../api/managed-fields/managed-fields.ts';
import { typeProblems } from '../../api/managed-fields/type-problems.ts';
import type { ObjectType } from '../../api/object-type.ts';
import { isJsonObject, sharing, stringAt, type JsonObject, type JsonValue } from '../../api/json.ts';
import type { ApiResponse } from '../../api/transport.ts';
import { duplicateWarnings, parseYaml, yamlFailure } from '../../api/yaml.ts';
import { authorOf } from '../writes/authorship.ts';
import type { ResourceContext } from '../context.ts';
import { applyConflict, badRequest, conflict, unconvertible, untypedPatch } from '../failure.ts';
import type { KubeObject } from '../object.ts';
import { bodyOf, fieldValidationOf, isDryRun } from '../encoding/request-body.ts';
import { flag } from '../request-info.ts';
import type { Resource } from '../resource.ts';
import { warningHeader } from '../encoding/respond.ts';
import { planUpdate } from '../writes/writing.ts';
import { undecodedReason } from './patch-failure.ts';
import { showObject, viewOf } from './read.ts';
import { checkAddress, checkUnchanged, endpointOf, makeOrChange, modifyAs, storeNew } from './write.ts';

export async function applyObject(context: ResourceContext): Promise<ApiResponse> {
  const { resource, info } = context;
  const view = viewOf(context);
  const { query } = info;
  const { configuration, asSent, warnings } = await readConfiguration(context);
  const author = { ...authorOf(context), isApplied: true };
  const options = { ...author, force: flag(query, 'force'), asSent };
  const endpoint = endpointOf(info.subresource);
  const change = async (): Promise<ApiResponse> => {
    const changed = await modifyAs(context, async (old, gate) => {
      const object = await merged(old, configuration, options, {
        type: resource.type,
        pause: () => gate.pause(),
      });
      // After conflicts, and what it does not say the live object does.
      checkAddress(context, object);
      checkUnchanged(object, old);
      return await planUpdate(resource, object, { old, endpoint, author, gate });
    });
    const headers = warningHeader([...warnings, ...changed.admissionWarnings]);
    return showObject(context, changed.object, { headers, view });
  };
  if (endpoint !== 'main') return await change();
  const make = async (): Promise<ApiResponse> => {
    const { uid } = configuration.metadata ?? {};
    if ((uid ?? '') !== '') {
      const why = `uid mismatch: the provided object specified uid ${uid}, and no existing object was found`;
      throw conflict(resource, info.name, why);
    }
    const object = await merged({}, configuration, options, { type: resource.type, pause: pauseOf(context) });
    checkAddress(context, object);
    delete object.metadata.resourceVersion;
    const { created, admissionWarnings } = await storeNew(context, object, {
      namespace: info.namespace,
      dryRun: isDryRun(query.getAll('dryRun')),
      author,
      unasked: true,
    });
    const headers = warningHeader([...warnings, ...admissionWarnings]);
    return showObject(context, created, { status: 201, headers, view });
  };
  return await makeOrChange(context, { make, change });
}

/** What is applied says what it is. */
export function checkType(
  value: JsonValue,
  { apiVersion, kind }: Pick<Resource, 'apiVersion' | 'kind'>,
): void {
  const sent = { apiVersion: stringAt(value, 'apiVersion'), kind: stringAt(value, 'kind') };
  if (sent.apiVersion === apiVersion && sent.kind === kind) return;
  const version = sent.apiVersion.includes('/') ? sent.apiVersion : `/${sent.apiVersion}`;
  throw badRequest(`invalid object type: ${version}, Kind=${sent.kind}`);
}

/** As the configuration has it, which may leave its namespace to the path. */
function addressOf({ metadata }: KubeObject): { readonly namespace: string; readonly name: string } {
  return { namespace: metadata?.namespace ?? '', name: metadata?.name ?? '' };
}

/** Between two steps of work; undefined where a step is short. */
type Pause = () => Promise<void> | undefined;

function pauseOf({ slice }: ResourceContext): Pause {
  return () => slice.pause();
}

/** The configuration as an object of its type, with nothing but what it says. */
export async function typed(value: JsonValue, type: ObjectType, pause: Pause): Promise<KubeObject> {
  const address = {
    namespace: stringAt(value, 'metadata', 'namespace'),
    name: stringAt(value, 'metadata', 'name'),
  };
  const problems = typeProblems(value, type.ownership);
  if (problems.length > 0) throw untypedPatch(type, address, problems);
  await pause();
  const { object, unknown } = decodedAs(value, type, address);
  if (unknown.length > 0) throw untypedPatch(type, address, unknown);
  return object as KubeObject;
}

function decodedAs(value: JsonValue, type: ObjectType, address: ReturnType<typeof addressOf>): Decoded {
  try {
    return type.decode(value, { asSent: true });
  } catch (error) {
    const why = undecodedReason(error);
    throw why === undefined || type.wire === undefined ? error : unconvertible(type, address, why);
  }
}

/** Of what is applied, the text. */
export async function readApplied(body: Uint8Array): ReturnType<typeof parseYaml> {
  try {
    const read = await parseYaml(body);
    if (read.value === null || isJsonObject(read.value)) return read;
    const why = `cannot unmarshal ${jsonTypeName(read.value)} into Go value of type map[string]interface {}`;
    throw badRequest(`error decoding YAML: error unmarshaling JSON: while decoding JSON: json: ${why}`);
  } catch (error) {
    if (yamlFailure(error) === undefined) throw error;
    throw badRequest(`error decoding YAML: ${errorMessage(error)}`);
  }
}

async function readConfiguration(context: ResourceContext): Promise<{
  readonly configuration: KubeObject;
  readonly asSent: KubeObject;
  readonly warnings: readonly string[];
}> {
  const { resource, request, info } = context;
  const { value, duplicates } = await readApplied(bodyOf(request));
  checkType(value, resource);
  const pause = pauseOf(context);
  await pause();
  const configuration = await typed(value, resource.type, pause);
  await pause();
  const twice = duplicates.map((what) => `error converting YAML to JSON: ${what}`);
  const validation = fieldValidationOf(info.query);
  if (twice[0] !== undefined && validation === 'Strict')
    throw badRequest(`error strict decoding YAML: ${twice[0]}`);
  if ((configuration.metadata?.managedFields ?? undefined) !== undefined)
    throw badRequest('metadata.managedFields must be nil');
  const asSent = { ...configuration, metadata: { ...configuration.metadata } };
  return {
    configuration,
    asSent,
    warnings: validation === 'Warn' ? duplicates.flatMap(duplicateWarnings) : [],
  };
}

const LAST_APPLIED = 'kubectl.kubernetes.io/last-applied-configuration';

/** kubectl that applies on its own side next time finds what it applied on ours. */
function keepLastApplied(object: KubeObject, configuration: KubeObject): void {
  const { annotations } = object.metadata;
  if (annotations === undefined || !Object.hasOwn(annotations, LAST_APPLIED)) return;
  const applied = structuredClone(configuration);
  delete applied.metadata.annotations?.[LAST_APPLIED];
  object.metadata = {
    ...object.metadata,
    annotations: { ...annotations, [LAST_APPLIED]: `${JSON.stringify(sorted(applied))}\n` },
  };
}

function sorted(value: JsonValue): JsonValue {
  if (Array.isArray(value)) return value.map((item) => sorted(item));
  if (!isJsonObject(value)) return value;
  const entries = Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries.map(([key, item]) => [key, sorted(item ?? null)]));
}

/** `live` with the configuration applied; `asSent` is what kubectl may want to find again. */
export async function merged(
  live: JsonObject,
  configuration: KubeObject,
  options: Parameters<typeof applyConfiguration>[2] & { readonly asSent?: KubeObject },
  { type, pause }: { readonly type: ObjectType; readonly pause: Pause },
): Promise<KubeObject> {
  try {
    const applied = applyConfiguration(live, configuration, options);
    await pause();
    const shared = sharing(applied, live);
    await pause();
    const object = { ...type.decode(shared, { prior: live, merged: true }).object };
    await pause();
    const { asSent } = options;
    if (options.manager === 'kubectl' && asSent !== undefined) keepLastApplied(object as KubeObject, asSent);
    type.applyDefaults(object, live);
    return object as KubeObject;
  } catch (error) {
    if (isPlatformError(error, 'conflict')) throw applyConflict(error);
    if (error instanceof PlatformError && error.code === 'invalid') {
      throw untypedPatch(type, addressOf(configuration), [error.message]);
    }
    throw error;
  }
}
