/** Kubernetes objects as the server handles them: JSON with a known head. */
import type { JsonObject, JsonValue } from '../api/json.ts';

export type Json = JsonObject;

export interface OwnerReference extends JsonObject {
  apiVersion: string;
  kind: string;
  name: string;
  uid: string;
}

export interface Meta extends JsonObject {
  name?: string;
  generateName?: string;
  namespace?: string;
  uid?: string;
  resourceVersion?: string;
  generation?: number;
  creationTimestamp?: string;
  deletionTimestamp?: string;
  deletionGracePeriodSeconds?: number;
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
  finalizers?: string[];
  ownerReferences?: OwnerReference[];
  managedFields?: JsonValue;
}

export interface KubeObject extends JsonObject {
  apiVersion: string;
  kind: string;
  metadata: Meta;
  spec?: JsonObject;
  status?: JsonObject;
}
