/**
 * How far the server has got with starting, as health checks: probes and suites ask for kube-apiserver's steps by name,
 * `poststarthook/…`. Each of those is one of the steps that are taken here.
 */
import { assert } from '../../../base/errors.ts';
import type { HealthCheck } from './health.ts';

const STEPS = {
  cache: [
    'generic-apiserver-start-informers',
    'start-apiextensions-informers',
    'start-kube-aggregator-informers',
    'storage-object-count-tracker-hook',
    'storage-readiness',
  ],
  admission: ['start-apiserver-admission-initializer'],
  objects: [
    'bootstrap-controller',
    'start-system-namespaces-controller',
    'start-service-ip-repair-controllers',
    'scheduling/bootstrap-system-priority-classes',
    'priority-and-fairness-config-producer',
    'start-cluster-authentication-info-controller',
    'start-kube-apiserver-identity-lease-controller',
    'start-kube-apiserver-identity-lease-garbage-collector',
    'start-kubernetes-service-cidr-controller',
    'start-legacy-token-tracking-controller',
    'peer-endpoint-reconciler-controller',
  ],
  roles: ['rbac/bootstrap-roles'],
  definitions: ['start-apiextensions-controllers', 'crd-informer-synced'],
  fairness: ['priority-and-fairness-config-consumer', 'priority-and-fairness-filter'],
  aggregation: [
    'aggregator-reload-proxy-client-cert',
    'apiservice-wait-for-first-sync',
    'apiservice-registration-controller',
    'apiservice-status-local-available-controller',
    'apiservice-status-remote-available-controller',
    'apiservice-discovery-controller',
    'apiservice-openapi-controller',
    'apiservice-openapiv3-controller',
    'kube-apiserver-autoregistration',
  ],
} as const;

export type StartUpStep = keyof typeof STEPS;

export class StartUp {
  readonly #done = new Set<StartUpStep>();

  done(step: StartUpStep): void {
    this.#done.add(step);
  }

  get checks(): readonly HealthCheck[] {
    return (Object.keys(STEPS) as StartUpStep[]).flatMap((step) =>
      STEPS[step].map((hook) => ({
        name: `poststarthook/${hook}`,
        live: true,
        check: () => assert(this.#done.has(step), 'not finished'),
      })),
    );
  }
}
