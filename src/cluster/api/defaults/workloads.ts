import { getPath, isJsonObject, jsonCopy, objectsAt, type JsonObject } from '../json.ts';
import { ensureObject, fill, isEmpty } from './fill.ts';
import { templateDefaults } from './pod.ts';
import { claimDefaults } from './storage.ts';

const MAX_INT32 = 2_147_483_647;

export function deploymentDefaults(deployment: JsonObject, done?: JsonObject): void {
  const spec = ensureObject(deployment, 'spec');
  fill(spec, { replicas: 1, revisionHistoryLimit: 10, progressDeadlineSeconds: 600 });
  const strategy = ensureObject(spec, 'strategy');
  if (isEmpty(strategy['type'])) strategy['type'] = 'RollingUpdate';
  if (strategy['type'] === 'RollingUpdate') {
    fill(ensureObject(strategy, 'rollingUpdate'), { maxUnavailable: '25%', maxSurge: '25%' });
  }
  templateDefaults(ensureObject(spec, 'template'), done);
}

export function replicaSetDefaults(replicaSet: JsonObject, done?: JsonObject): void {
  const spec = ensureObject(replicaSet, 'spec');
  fill(spec, { replicas: 1 });
  templateDefaults(ensureObject(spec, 'template'), done);
}

/** The oldest of them still guesses its selector and labels from its template. */
export function replicationControllerDefaults(controller: JsonObject, done?: JsonObject): void {
  const spec = ensureObject(controller, 'spec');
  fill(spec, { replicas: 1 });
  const { template } = spec;
  if (!isJsonObject(template)) return;
  templateDefaults(template, done);
  const labels = getPath(template, 'metadata', 'labels');
  if (!isJsonObject(labels)) return;
  if (isNone(spec['selector'])) spec['selector'] = jsonCopy(labels);
  adoptLabels(controller, labels);
}

/** An object without labels of its own gets those of its template. */
export function adoptLabels(object: JsonObject, labels: JsonObject): void {
  const metadata = ensureObject(object, 'metadata');
  if (isNone(metadata['labels'])) metadata['labels'] = jsonCopy(labels);
}

function isNone(value: JsonObject[string]): boolean {
  return !isJsonObject(value) || Object.keys(value).length === 0;
}

export function statefulSetDefaults(set: JsonObject, done?: JsonObject): void {
  const spec = ensureObject(set, 'spec');
  fill(spec, {
    replicas: 1,
    revisionHistoryLimit: 10,
    serviceName: '',
    persistentVolumeClaimRetentionPolicy: {},
  });
  if (isEmpty(spec['podManagementPolicy'])) spec['podManagementPolicy'] = 'OrderedReady';
  const strategy = ensureObject(spec, 'updateStrategy');
  if (isEmpty(strategy['type'])) {
    strategy['type'] = 'RollingUpdate';
    ensureObject(strategy, 'rollingUpdate');
  }
  const { rollingUpdate } = strategy;
  if (strategy['type'] === 'RollingUpdate' && isJsonObject(rollingUpdate)) {
    fill(rollingUpdate, { partition: 0 });
  }
  if (isJsonObject(spec['ordinals'])) fill(spec['ordinals'], { start: 0 });
  const retention = ensureObject(spec, 'persistentVolumeClaimRetentionPolicy');
  for (const key of ['whenDeleted', 'whenScaled']) if (isEmpty(retention[key])) retention[key] = 'Retain';
  for (const claim of objectsAt(spec, 'volumeClaimTemplates')) {
    if (claim['apiVersion'] !== 'v1') claim['apiVersion'] = 'v1';
    if (claim['kind'] !== 'PersistentVolumeClaim') claim['kind'] = 'PersistentVolumeClaim';
    claimDefaults(claim);
  }
  templateDefaults(ensureObject(spec, 'template'), done);
}

/** Counts the changes of a daemon set's template, for which apps/v1 has no field: whoever leaves it out says 0. */
export const TEMPLATE_GENERATION = 'deprecated.daemonset.template.generation';

export function daemonSetDefaults(set: JsonObject, done?: JsonObject): void {
  fill(ensureObject(ensureObject(set, 'metadata'), 'annotations'), { [TEMPLATE_GENERATION]: '0' });
  const spec = ensureObject(set, 'spec');
  fill(spec, { revisionHistoryLimit: 10 });
  const strategy = ensureObject(spec, 'updateStrategy');
  if (isEmpty(strategy['type'])) strategy['type'] = 'RollingUpdate';
  if (strategy['type'] === 'RollingUpdate') {
    fill(ensureObject(strategy, 'rollingUpdate'), { maxUnavailable: 1, maxSurge: 0 });
  }
  templateDefaults(ensureObject(spec, 'template'), done);
}

export function jobDefaults(job: JsonObject, done?: JsonObject): void {
  const spec = ensureObject(job, 'spec');
  // A job without completions is a work queue; one that says nothing at all runs one pod once.
  if (spec['completions'] === undefined && spec['parallelism'] === undefined) spec['completions'] = 1;
  fill(spec, {
    parallelism: 1,
    backoffLimit: spec['backoffLimitPerIndex'] === undefined ? 6 : MAX_INT32,
    completionMode: 'NonIndexed',
    suspend: false,
    manualSelector: false,
    podReplacementPolicy: spec['podFailurePolicy'] === undefined ? 'TerminatingOrFailed' : 'Failed',
  });
  for (const rule of objectsAt(spec, 'podFailurePolicy', 'rules')) {
    for (const pattern of objectsAt(rule, 'onPodConditions')) {
      if (isEmpty(pattern['status'])) pattern['status'] = 'True';
    }
  }
  const template = ensureObject(spec, 'template');
  templateDefaults(template, done);
  const labels = getPath(template, 'metadata', 'labels');
  // The same and not a copy, as upstream: the labels that are made for the template's pods are the job's as well.
  if (isJsonObject(labels) && isNone(getPath(job, 'metadata', 'labels'))) {
    ensureObject(job, 'metadata')['labels'] = template === done ? jsonCopy(labels) : labels;
  }
}

/** Its jobs get their own defaults when they are made. */
export function cronJobDefaults(cronJob: JsonObject, done?: JsonObject): void {
  const spec = ensureObject(cronJob, 'spec');
  if (isEmpty(spec['concurrencyPolicy'])) spec['concurrencyPolicy'] = 'Allow';
  fill(spec, { suspend: false, successfulJobsHistoryLimit: 3, failedJobsHistoryLimit: 1 });
  ensureObject(ensureObject(spec, 'jobTemplate'), 'metadata');
  const job = ensureObject(ensureObject(spec, 'jobTemplate'), 'spec');
  templateDefaults(ensureObject(job, 'template'), done);
  for (const rule of objectsAt(job, 'podFailurePolicy', 'rules')) {
    for (const pattern of objectsAt(rule, 'onPodConditions')) {
      if (isEmpty(pattern['status'])) pattern['status'] = 'True';
    }
  }
}
