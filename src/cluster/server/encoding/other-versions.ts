/**
 * What a JSON patch or a merge patch has made may say that it is of another version of the kind, even one that is not served
 * any more: upstream reads it as of that version, with the defaults of it, and converts it.
 */
import type { Decoded } from '../../api/decode.ts';
import {
  isJsonObject,
  objectAt,
  objectsAt,
  stringAt,
  type JsonObject,
  type JsonValue,
} from '../../api/json.ts';
import { builtinType } from '../../api/object-type.ts';
import { kindSchema, parseApiVersion } from '../../api/schema.ts';
import type { KubeObject } from '../object.ts';
import type { Resource } from '../resource.ts';
import type { ResourceTable } from '../resource-table.ts';

/** Of versions that are not served any more. In place; the result is as the served version has it. */
const UNSERVED: Readonly<Record<string, (object: JsonObject) => void>> = {
  'apps/v1beta1 Deployment': (object) => fillWorkload(object, 2),
  'apps/v1beta1 StatefulSet': (object) => fillWorkload(object),
  'extensions/v1beta1 DaemonSet': (object) => fillWorkload(object),
  'extensions/v1beta1 Deployment': (object) => fillWorkload(object, 2 ** 31 - 1),
  'extensions/v1beta1 Ingress': convertIngress,
  'extensions/v1beta1 ReplicaSet': (object) => fillWorkload(object),
  'networking.k8s.io/v1beta1 Ingress': convertIngress,
};

/** The object in the resource's version; undefined when it is of that, or of one that has the same fields and defaults. */
export function readAsOther(table: ResourceTable, resource: Resource, sent: JsonValue): Decoded | undefined {
  const apiVersion = stringAt(sent, 'apiVersion');
  const kind = stringAt(sent, 'kind');
  if (apiVersion === resource.apiVersion || kind !== resource.kind) return undefined;
  const { group, version } = parseApiVersion(apiVersion);
  const convert = UNSERVED[`${apiVersion} ${kind}`];
  const schema = kindSchema(group, version, kind);
  if (convert !== undefined && schema !== undefined) {
    const decoded = builtinType(schema).decode(sent);
    convert(decoded.object);
    return decoded;
  }
  const other = table.find(group, version, resource.resource);
  const conversions = [other?.conversion, resource.conversion];
  const [to, from] = conversions;
  if (other?.prefix !== resource.prefix || conversions.some((one) => one?.program !== undefined))
    return undefined;
  if (to === undefined && from === undefined) return undefined;
  const { object, unknown } = other.type.decode(sent);
  other.type.applyDefaults(object);
  const stored = to?.toStorage(object as KubeObject) ?? (object as KubeObject);
  const shown = from?.fromStorage(stored) ?? stored;
  return { object: resource.type.decode(shown).object, unknown };
}

/** Before apps/v1 the labels of the template were those of what has it. */
function fillWorkload(object: JsonObject, revisions?: number): void {
  const spec = objectAt(object, 'spec');
  const labels = objectAt(spec, 'template', 'metadata', 'labels');
  const metadata = (object['metadata'] ??= {}) as JsonObject;
  if (Object.keys(objectAt(metadata, 'labels')).length === 0 && Object.keys(labels).length > 0)
    metadata['labels'] = { ...labels };
  if (revisions !== undefined) spec['revisionHistoryLimit'] ??= revisions;
}

function convertIngress(object: JsonObject): void {
  const spec = objectAt(object, 'spec');
  const { backend } = spec;
  delete spec['backend'];
  if (isJsonObject(backend)) spec['defaultBackend'] = backendOf(backend);
  for (const rule of objectsAt(spec, 'rules'))
    for (const path of objectsAt(rule, 'http', 'paths')) {
      path['pathType'] ??= 'ImplementationSpecific';
      path['backend'] = backendOf(objectAt(path, 'backend'));
    }
}

function backendOf({ resource, serviceName: name = '', servicePort: port = 0 }: JsonObject): JsonObject {
  const backend: JsonObject = resource === undefined ? {} : { resource };
  if (name === '' && port === 0) return backend;
  const given = port === '' || port === 0 ? {} : { [typeof port === 'string' ? 'name' : 'number']: port };
  return { ...backend, service: { name, port: given } };
}
