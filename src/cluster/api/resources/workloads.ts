/** Groups of what makes pods, scales them and keeps them from being disrupted. */
import { autoscalerColumns, oldAutoscalerColumns } from '../printers/autoscaling.ts';
import { cronJobColumns, jobColumns } from '../printers/batch.ts';
import { disruptionBudgetColumns } from '../printers/policy.ts';
import {
  controllerRevisionColumns,
  daemonSetColumns,
  deploymentColumns,
  replicaSetColumns,
  statefulSetColumns,
} from '../printers/workloads.ts';
import type { ResourceDeclaration } from '../resource-declaration.ts';
import { declare, SCALE, SCALE_PATHS, STATUS, type Facts } from './declare.ts';

const AUTOSCALER: Facts = {
  group: 'autoscaling',
  resource: 'horizontalpodautoscalers',
  kind: 'HorizontalPodAutoscaler',
  shortNames: ['hpa'],
  categories: ['all'],
  subresources: [STATUS],
  columns: autoscalerColumns,
  storage: { group: 'autoscaling', version: 'v2', resource: 'horizontalpodautoscalers' },
};

export const workloadResources: readonly ResourceDeclaration[] = [
  declare({
    group: 'apps',
    resource: 'deployments',
    kind: 'Deployment',
    shortNames: ['deploy'],
    categories: ['all'],
    subresources: [STATUS, SCALE],
    scale: SCALE_PATHS,
    columns: deploymentColumns,
    hasGeneration: true,
  }),
  declare({
    group: 'apps',
    resource: 'replicasets',
    kind: 'ReplicaSet',
    shortNames: ['rs'],
    categories: ['all'],
    subresources: [STATUS, SCALE],
    scale: SCALE_PATHS,
    columns: replicaSetColumns,
    hasGeneration: true,
  }),
  declare({
    group: 'apps',
    resource: 'statefulsets',
    kind: 'StatefulSet',
    shortNames: ['sts'],
    categories: ['all'],
    subresources: [STATUS, SCALE],
    scale: SCALE_PATHS,
    columns: statefulSetColumns,
    hasGeneration: true,
  }),
  declare({
    group: 'apps',
    resource: 'daemonsets',
    kind: 'DaemonSet',
    shortNames: ['ds'],
    categories: ['all'],
    subresources: [STATUS],
    columns: daemonSetColumns,
    hasGeneration: true,
  }),
  declare({
    group: 'apps',
    resource: 'controllerrevisions',
    kind: 'ControllerRevision',
    columns: controllerRevisionColumns,
  }),
  declare({
    group: 'batch',
    resource: 'jobs',
    kind: 'Job',
    categories: ['all'],
    subresources: [STATUS],
    columns: jobColumns,
    selectableFields: ['status.successful'],
    hasGeneration: true,
  }),
  declare({
    group: 'batch',
    resource: 'cronjobs',
    kind: 'CronJob',
    shortNames: ['cj'],
    categories: ['all'],
    subresources: [STATUS],
    columns: cronJobColumns,
    hasGeneration: true,
  }),
  // The version that is preferred comes first.
  declare({ ...AUTOSCALER, version: 'v2' }),
  declare({ ...AUTOSCALER, version: 'v1', columns: oldAutoscalerColumns }),
  declare({
    group: 'policy',
    resource: 'poddisruptionbudgets',
    kind: 'PodDisruptionBudget',
    shortNames: ['pdb'],
    subresources: [STATUS],
    columns: disruptionBudgetColumns,
    hasGeneration: true,
  }),
];
