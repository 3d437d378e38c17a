import {
  getPath,
  isJsonObject,
  jsonEqual,
  objectAt,
  objectsAt,
  textOf,
  type JsonObject,
} from '../../../api/json.ts';
import { unexplained } from '../../failure.ts';
import type { KubeObject } from '../../object.ts';
import type { AdmissionPlugin, AdmissionRequest } from '../admission.ts';
import { isFor, objectNamed, refused } from '../lookup.ts';

/** What a pod's runtime costs and where it is found (KEP-585, KEP-688). */
export const runtimeClass: AdmissionPlugin = {
  name: 'RuntimeClass',
  handles: (request) => request.operation === 'CREATE' && isFor(request, '', 'pods'),
  mutate(request) {
    const { object } = request;
    const found = classOf(request);
    if (found === undefined || object === undefined) return;
    const spec = objectAt(object, 'spec');
    const overhead = getPath(found, 'overhead', 'podFixed');
    if (isJsonObject(overhead)) {
      if (spec['overhead'] !== undefined && !jsonEqual(spec['overhead'], overhead)) {
        throw refused(request, "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead");
      }
      spec['overhead'] = { ...overhead };
    }
    const scheduling = getPath(found, 'scheduling');
    if (isJsonObject(scheduling)) schedule(request, spec, scheduling);
  },
  validate(request) {
    const { object } = request;
    const overhead = getPath(object, 'spec', 'overhead');
    if (!isJsonObject(overhead)) return;
    const wanted = getPath(classOf(request), 'overhead', 'podFixed');
    if (!isJsonObject(wanted)) {
      throw refused(
        request,
        'pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead',
      );
    }
    if (jsonEqual(overhead, wanted)) return;
    throw refused(request, "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead");
  },
};

function classOf(request: AdmissionRequest): KubeObject | undefined {
  const asked = getPath(request.object, 'spec', 'runtimeClassName');
  if (asked === undefined) return undefined;
  const name = textOf(asked);
  // Upstream's client says so, which looks the class up.
  if (name === '') throw unexplained('resource name may not be empty');
  const bad = ['/', '%'].find((character) => name.includes(character));
  if (bad !== undefined)
    throw unexplained(`invalid resource name ${JSON.stringify(name)}: [may not contain '${bad}']`);
  const { server } = request;
  if (server.resources.find('node.k8s.io', 'v1', 'runtimeclasses') === undefined) return undefined;
  const found = objectNamed(server, ['node.k8s.io', 'v1', 'runtimeclasses'], { name });
  if (found === undefined) throw refused(request, `pod rejected: RuntimeClass "${name}" not found`);
  return found;
}

function schedule(request: AdmissionRequest, spec: JsonObject, scheduling: JsonObject): void {
  const wanted = objectAt(scheduling, 'nodeSelector');
  const selector = { ...objectAt(spec, 'nodeSelector') };
  for (const [key, value] of Object.entries(wanted)) {
    const present = selector[key];
    if (present !== undefined && present !== value) {
      throw refused(
        request,
        `conflict: runtimeClass.scheduling.nodeSelector[${key}] = ${textOf(value)}; pod.spec.nodeSelector[${key}] = ${textOf(present)}`,
      );
    }
    selector[key] = value;
  }
  if (Object.keys(selector).length > 0) spec['nodeSelector'] = selector;
  const tolerations = objectsAt(spec, 'tolerations');
  const added = objectsAt(scheduling, 'tolerations').filter(
    (one) => !tolerations.some((present) => jsonEqual(present, one)),
  );
  if (added.length > 0) spec['tolerations'] = [...tolerations, ...structuredClone(added)];
}
