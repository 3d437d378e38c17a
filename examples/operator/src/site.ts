/** The kind that this operator is for, as manifests/crd.yaml defines it. */
import type { KubernetesObject, V1ObjectMeta } from '@kubernetes/client-node';

export const GROUP = 'web.example.com';
export const VERSION = 'v1';
export const PLURAL = 'sites';
export const KIND = 'Site';
export const API_VERSION = `${GROUP}/${VERSION}`;
/** Until the operator has recorded the end of a site, the site stays. */
export const FINALIZER = `${GROUP}/record`;

export interface SiteSpec {
  /** File names and what is in them. */
  readonly pages: Readonly<Record<string, string>>;
  readonly image: string;
  readonly port: number;
  readonly replicas: number;
  readonly maxReplicas: number;
}

export interface Condition {
  readonly type: string;
  readonly status: 'True' | 'False' | 'Unknown';
  readonly reason: string;
  readonly message: string;
  /** RFC 3339. */
  readonly lastTransitionTime: string;
  readonly observedGeneration: number;
}

export interface SiteStatus {
  readonly observedGeneration?: number;
  readonly replicas?: number;
  readonly readyReplicas?: number;
  /** What `kubectl scale` and autoscalers find the pods by. */
  readonly selector?: string;
  readonly address?: string;
  readonly conditions?: readonly Condition[];
}

export interface Site extends KubernetesObject {
  readonly metadata: V1ObjectMeta & {
    readonly name: string;
    readonly namespace: string;
    readonly uid: string;
  };
  /** With its defaults: the API server has filled them in. */
  readonly spec: SiteSpec;
  readonly status?: SiteStatus;
}

export function keyOf({ metadata }: Site): string {
  return `${metadata.namespace}/${metadata.name}`;
}
