import { forbidden, notFound } from '../../failure.ts';
import { isTerminating } from '../../strategies/namespaces.ts';
import type { AdmissionPlugin } from '../admission.ts';
import { refused } from '../lookup.ts';

const IMMORTAL: ReadonlySet<string> = new Set(['default', 'kube-system', 'kube-public']);

/** New objects only go into namespaces that are there to stay, and some namespaces always are. */
export const namespaceLifecycle: AdmissionPlugin = {
  name: 'NamespaceLifecycle',
  ignoresObject: true,
  handles: ({ operation, resource, subresource, name }) =>
    operation === 'CREATE'
      ? resource.namespaced
      : operation === 'DELETE' &&
        subresource === '' &&
        resource.group === '' &&
        resource.resource === 'namespaces' &&
        IMMORTAL.has(name),
  async mutate(request) {
    const { server, resource, namespace, name, operation } = request;
    if (operation === 'DELETE') throw forbidden(resource, name, 'this namespace may not be deleted');
    const namespaces = server.resources.get('', 'v1', 'namespaces');
    const found = await server.registry.find(namespaces, { namespace: '', name: namespace });
    if (found === undefined) throw notFound(namespaces, namespace);
    if (!isTerminating(found.object)) return;
    const why = `unable to create new content in namespace ${namespace} because it is being terminated`;
    const cause = {
      reason: 'NamespaceTerminating',
      message: `namespace ${namespace} is being terminated`,
      field: 'metadata.namespace',
    };
    throw refused(request, why, [cause]);
  },
};
