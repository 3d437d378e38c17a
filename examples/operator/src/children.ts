/**
 * What a site consists of. Pure: from a site to the objects that it needs, of which only the fields are named that the
 * operator wants to own. Server-side apply leaves all others to whoever set them.
 */
import { createHash } from 'node:crypto';
import type { V1ConfigMap, V1Deployment, V1OwnerReference, V1Service } from '@kubernetes/client-node';
import { API_VERSION, KIND, type Site } from './site.ts';

export const MANAGER = 'site-operator';
/** On every child, so that the operator watches no more than its own. */
export const MANAGED_BY = { 'app.kubernetes.io/managed-by': MANAGER };

export interface Children {
  readonly pages: V1ConfigMap;
  readonly deployment: V1Deployment;
  readonly service: V1Service;
}

export function childrenOf(site: Site): Children {
  const { name, namespace } = site.metadata;
  const { pages, image, port, replicas } = site.spec;
  const labels = { ...MANAGED_BY, ...podLabels(site) };
  const metadata = { name, namespace, labels, ownerReferences: [ownerReference(site)] };
  return {
    pages: { apiVersion: 'v1', kind: 'ConfigMap', metadata, data: { ...pages } },
    deployment: {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata,
      spec: {
        replicas,
        selector: { matchLabels: podLabels(site) },
        template: {
          // Pods read their pages when they start: other pages are another template.
          metadata: { labels: podLabels(site), annotations: { 'web.example.com/pages': digest(pages) } },
          spec: {
            containers: [
              {
                name: 'web',
                image,
                ports: [{ name: 'http', containerPort: port }],
                volumeMounts: [{ name: 'pages', mountPath: '/pages', readOnly: true }],
              },
            ],
            volumes: [{ name: 'pages', configMap: { name } }],
          },
        },
      },
    },
    service: {
      apiVersion: 'v1',
      kind: 'Service',
      metadata,
      spec: { selector: podLabels(site), ports: [{ name: 'http', port: 80, targetPort: 'http' }] },
    },
  };
}

export function podLabels({ metadata }: Site): Record<string, string> {
  return { 'web.example.com/site': metadata.name };
}

function ownerReference({ metadata }: Site): V1OwnerReference {
  const { name, uid } = metadata;
  return { apiVersion: API_VERSION, kind: KIND, name, uid, controller: true, blockOwnerDeletion: true };
}

function digest(pages: Readonly<Record<string, string>>): string {
  const sorted = Object.entries(pages).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return createHash('sha256').update(JSON.stringify(sorted)).digest('hex').slice(0, 16);
}
