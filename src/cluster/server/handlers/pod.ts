/** The subresources of a pod. */
import { rfc3339 } from '../../../base/clock.ts';
import { assert } from '../../../base/errors.ts';
import { objectsAt, stringAt } from '../../api/json.ts';
import { builtinType, type ObjectType } from '../../api/object-type.ts';
import { kindSchema } from '../../api/schema.ts';
import type { ApiResponse } from '../../api/transport.ts';
import type { ResourceContext } from '../context.ts';
import { badRequest, conflict, methodNotAllowed, unexplained } from '../failure.ts';
import type { KubeObject } from '../object.ts';
import { admitCreation } from '../writes/gate.ts';
import { checkUnknown, decodeBody, isDryRun } from '../encoding/request-body.ts';
import { jsonResponse, warningHeader } from '../encoding/respond.ts';
import { toBytes } from '../encoding/view.ts';
import { otherUid, otherVersion } from '../writes/writing.ts';

const SUCCESS = { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success' };

function typeOf(group: string, kind: string): ObjectType {
  const schema = kindSchema(group, 'v1', kind);
  assert(schema !== undefined, `${group} ${kind} has a schema`);
  return builtinType(schema);
}

/** Under this name upstream refuses what the pod is not ready for. */
const BINDING = { group: '', resource: 'pods/binding' };

/** Gives a pod its node, once. */
export async function bindPod(context: ResourceContext): Promise<ApiResponse> {
  const { server, resource, info, request } = context;
  const kind = typeOf('', 'Binding');
  const { object, unknown } = await decodeBody(request, kind);
  const warnings = checkUnknown(unknown, kind, info.query);
  const binding = object as KubeObject;
  if (stringAt(binding, 'metadata', 'name') !== info.name)
    throw badRequest('name in URL does not match name in Binding object');
  const node = stringAt(binding, 'target', 'name');
  if (node === '') throw unexplained('target.name: Required value');
  const target = stringAt(binding, 'target', 'kind');
  if (target !== '' && target !== 'Node')
    throw unexplained(`target.kind: Unsupported value: "${target}": supported values: "Node", "<empty>"`);
  await admitCreation(context, binding);
  const { uid = '', resourceVersion = '', annotations, labels } = binding.metadata ?? {};
  await server.registry.modify(resource, info, {
    dryRun: isDryRun(info.query.getAll('dryRun')),
    change: (pod) => {
      if (uid !== '' && uid !== pod.metadata.uid) throw otherUid(resource, pod, uid);
      if (resourceVersion !== '' && resourceVersion !== pod.metadata.resourceVersion)
        throw otherVersion(resource, pod, resourceVersion);
      const refused = (why: string): Error => conflict(BINDING, info.name, `pod ${info.name} ${why}`);
      if (pod.metadata.deletionTimestamp !== undefined)
        throw refused('is being deleted, cannot be assigned to a host');
      if (objectsAt(pod, 'spec', 'schedulingGates').length > 0)
        throw refused('has non-empty .spec.schedulingGates');
      const present = stringAt(pod, 'spec', 'nodeName');
      if (present !== '') throw refused(`is already assigned to node ${JSON.stringify(present)}`);
      const metadata = { ...pod.metadata };
      if (annotations !== undefined) metadata.annotations = { ...metadata.annotations, ...annotations };
      // Where the node is (KEP-4742).
      if (labels !== undefined) metadata.labels = { ...metadata.labels, ...labels };
      const condition = {
        type: 'PodScheduled',
        status: 'True',
        lastTransitionTime: rfc3339(server.clock.now()),
      };
      const others = objectsAt(pod, 'status', 'conditions').filter(({ type }) => type !== 'PodScheduled');
      // It has got a node: a wish for one is out of date (KEP-5278).
      const { nominatedNodeName: _wished, ...status } = pod.status ?? {};
      return {
        type: 'put',
        object: {
          ...pod,
          metadata,
          spec: { ...pod.spec, nodeName: node },
          status: { ...status, conditions: [...others, condition] },
        },
      };
    },
  });
  return jsonResponse(201, toBytes({ ...SUCCESS, code: 201 }), warningHeader(warnings));
}

/** The binding that is not below its pod, which is named as the binding is. */
export async function bindNamed(context: ResourceContext): Promise<ApiResponse> {
  const { server, info, request, resource } = context;
  if (info.verb !== 'create') throw methodNotAllowed();
  const { object } = await decodeBody(request, resource.type);
  const name = stringAt(object, 'metadata', 'name');
  if (name === '') throw badRequest('name: Required value');
  const pods = server.resources.get('', 'v1', 'pods');
  const asked = { ...info, resource: 'pods', name, subresource: 'binding' };
  return await bindPod({ ...context, resource: pods, info: asked });
}
