/** Server-side apply: PATCH with application/apply-patch+yaml (KEP-555). */
import { isPlatformError, PlatformError } from '../../../base/errors.ts';
import { applyConfiguration } from '../../api/managed-fields/managed-fields.ts';
import type { JsonObject } from '../../api/json.ts';
import type { ApiResponse } from '../../api/transport.ts';
import { parseYaml } from '../../api/yaml.ts';
import { authorOf } from '../authorship.ts';
import type { ResourceContext } from '../context.ts';
import { applyConflict, badRequest, conflict, notFound, untypedPatch } from '../failure.ts';
import type { KubeObject } from '../object.ts';
import { bodyOf, checkKind, fieldValidationOf, isDryRun } from '../request-body.ts';
import { flag } from '../request-info.ts';
import { warningHeader } from '../respond.ts';
import { planUpdate } from '../writing.ts';
import { showObject, viewOf } from './read.ts';
import { checkAddress, endpointOf, modifyAs, storeNew } from './write.ts';

/** Tries against others that create and delete the same object meanwhile. */
const MAX_TRIES = 5;

export async function applyObject(context: ResourceContext): Promise<ApiResponse> {
  const { server, resource, info } = context;
  const view = viewOf(context);
  const { query } = info;
  const options = { ...authorOf(context), force: flag(query, 'force') };
  const { configuration, warnings } = await readConfiguration(context);
  const endpoint = endpointOf(info.subresource);
  for (let tries = 1; ; tries++) {
    try {
      if ((await server.registry.find(resource, info)) === undefined) {
        if (endpoint !== 'main') throw notFound(resource, info.name);
        const { uid } = configuration.metadata;
        if (uid !== undefined) {
          const why = `uid mismatch: the provided object specified uid ${uid}, and no existing object was found`;
          throw conflict(resource, info.name, why);
        }
        const { created, admissionWarnings } = await storeNew(
          context,
          merged({}, configuration, options, context),
          {
            namespace: info.namespace,
            dryRun: isDryRun(query.getAll('dryRun')),
            author: 'applied',
          },
        );
        return showObject(context, created, {
          status: 201,
          headers: warningHeader([...warnings, ...admissionWarnings]),
          view,
        });
      }
      const changed = await modifyAs(context, (old, gate) =>
        planUpdate(resource, merged(old, configuration, options, context), {
          old,
          endpoint,
          author: 'applied',
          gate,
        }),
      );
      return showObject(context, changed.object, {
        headers: warningHeader([...warnings, ...changed.admissionWarnings]),
        view,
      });
    } catch (error) {
      const lostRace =
        endpoint === 'main' &&
        (isPlatformError(error, 'already-exists') || isPlatformError(error, 'not-found'));
      if (!lostRace || tries >= MAX_TRIES || !(await changedSides(context, error))) throw error;
    }
  }
}

/** Somebody made it after we had not found it, or took it away after we had. */
async function changedSides({ server, resource, info }: ResourceContext, error: unknown): Promise<boolean> {
  const there = (await server.registry.find(resource, info)) !== undefined;
  return there === isPlatformError(error, 'already-exists');
}

async function readConfiguration(
  context: ResourceContext,
): Promise<{ readonly configuration: KubeObject; readonly warnings: readonly string[] }> {
  const { resource, request, info } = context;
  const { value, duplicates } = await parseYaml(bodyOf(request));
  const { object, unknown } = resource.type.decode(value, { asSent: true });
  const twice = duplicates.map((what) => `error converting YAML to JSON: ${what}`);
  const validation = fieldValidationOf(info.query);
  if (twice[0] !== undefined && validation === 'Strict')
    throw badRequest(`error strict decoding YAML: ${twice[0]}`);
  if (unknown.length > 0) throw untypedPatch(resource, info, unknown);
  checkKind(object, resource.type);
  const configuration = object as KubeObject;
  if (configuration.metadata?.managedFields !== undefined)
    throw badRequest('metadata.managedFields must be nil');
  checkAddress(context, configuration);
  return { configuration, warnings: validation === 'Warn' ? twice : [] };
}

function merged(
  live: JsonObject,
  configuration: KubeObject,
  options: Parameters<typeof applyConfiguration>[2],
  { resource, info }: ResourceContext,
): KubeObject {
  try {
    const { object } = resource.type.decode(applyConfiguration(live, configuration, options));
    resource.type.applyDefaults(object);
    return object as KubeObject;
  } catch (error) {
    if (isPlatformError(error, 'conflict')) throw applyConflict(resource, info.name, error);
    if (error instanceof PlatformError && error.code === 'invalid') {
      throw untypedPatch(resource, info, [error.message]);
    }
    throw error;
  }
}
