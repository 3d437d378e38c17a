/** A job selects its pods by its own uid, unless its author has taken that on himself. */
import { isJsonObject, objectAt, type JsonObject } from '../../api/json.ts';
import type { KubeObject } from '../object.ts';
import type { Strategy } from '../resource.ts';
import { templated } from './pod-templates.ts';

export const CONTROLLER_UID = 'batch.kubernetes.io/controller-uid';
export const JOB_NAME = 'batch.kubernetes.io/job-name';
/** The same under the names that they had before labels were to have a domain. */
const LEGACY_CONTROLLER_UID = 'controller-uid';
const LEGACY_JOB_NAME = 'job-name';

const TEMPLATE = templated('spec', 'template');

export const jobStrategy: Strategy = {
  ...TEMPLATE,
  orphansDependents: true,
  orphaningWarning:
    'child pods are preserved by default when jobs are deleted; set propagationPolicy=Background to remove them or set propagationPolicy=Orphan to suppress this warning',
  prepareForCreate(job) {
    job.status = {};
    TEMPLATE.prepareForCreate?.(job);
    if (job.spec?.['manualSelector'] !== true) selectByUid(job);
    // Read back, a job without labels shows those of its template.
    const labels = objectAt(job, 'spec', 'template', 'metadata', 'labels');
    const own = job.metadata.labels ?? {};
    if (Object.keys(own).length === 0 && Object.keys(labels).length > 0) {
      job.metadata.labels = { ...labels } as Record<string, string>;
    }
  },
};

function selectByUid(job: KubeObject): void {
  const { uid = '', name = '' } = job.metadata;
  const spec = (job.spec ??= {});
  const labels = member(member(member(spec, 'template'), 'metadata'), 'labels');
  const generated = {
    [LEGACY_JOB_NAME]: name,
    [JOB_NAME]: name,
    [LEGACY_CONTROLLER_UID]: uid,
    [CONTROLLER_UID]: uid,
  };
  // What someone has set by hand stays, for validation to refuse.
  for (const [key, value] of Object.entries(generated)) labels[key] ??= value;
  member(member(spec, 'selector'), 'matchLabels')[CONTROLLER_UID] ??= uid;
}

function member(object: JsonObject, key: string): JsonObject {
  const value = object[key];
  if (isJsonObject(value)) return value;
  const made: JsonObject = {};
  object[key] = made;
  return made;
}
