/** What a job's author wants of failures of some kind (KEP-3329). */
import type { PodFailurePolicy, PodFailurePolicyRule } from '../api/generated/batch-v1.ts';
import type { Pod } from '../api/generated/core-v1.ts';

export interface FailureVerdict {
  readonly action: 'FailJob' | 'FailIndex' | 'Ignore' | 'Count';
  /** Why the job has failed, where it has. */
  readonly message: string;
}

const COUNT: FailureVerdict = { action: 'Count', message: '' };

/** What the first rule that matches says; a failure that no rule is about counts. */
export function judgeFailure(policy: PodFailurePolicy | undefined, pod: Pod): FailureVerdict {
  for (const [at, rule] of (policy?.rules ?? []).entries()) {
    const matched = byExitCode(rule, pod) ?? byCondition(rule, pod);
    if (matched === undefined) continue;
    const action = (rule.action ?? 'Count') as FailureVerdict['action'];
    return { action, message: `${matched} matching ${action} rule at index ${at}` };
  }
  return COUNT;
}

function byExitCode({ onExitCodes }: PodFailurePolicyRule, pod: Pod): string | undefined {
  if (onExitCodes === undefined) return undefined;
  const { containerName, operator, values = [] } = onExitCodes;
  const statuses = [...(pod.status?.containerStatuses ?? []), ...(pod.status?.initContainerStatuses ?? [])];
  for (const { name = '', state } of statuses) {
    const code = state?.terminated?.exitCode;
    if (code === undefined || code === 0) continue;
    if (containerName !== undefined && containerName !== name) continue;
    if (values.includes(code) === (operator === 'In')) {
      return `Container ${name} for pod ${nameOf(pod)} failed with exit code ${code}`;
    }
  }
  return undefined;
}

function byCondition({ onPodConditions }: PodFailurePolicyRule, pod: Pod): string | undefined {
  const wanted = onPodConditions ?? [];
  const found = (pod.status?.conditions ?? []).find(({ type, status }) =>
    wanted.some((pattern) => pattern.type === type && (pattern.status ?? 'True') === status),
  );
  return found === undefined ? undefined : `Pod ${nameOf(pod)} has condition ${found.type ?? ''}`;
}

function nameOf({ metadata }: Pod): string {
  return `${metadata?.namespace ?? ''}/${metadata?.name ?? ''}`;
}
