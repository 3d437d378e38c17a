import type { Taint, Toleration } from '../../api/generated/core-v1.ts';

/** https://kubernetes.io/docs/concepts/scheduling-eviction/taint-and-toleration/: an empty key or effect matches all. */
export function tolerates(toleration: Toleration, taint: Taint): boolean {
  const { key = '', operator = '', value = '', effect = '' } = toleration;
  if (effect !== '' && effect !== taint.effect) return false;
  if (key !== '' && key !== taint.key) return false;
  switch (operator) {
    case '':
    case 'Equal':
      // An empty key stands for all keys only together with Exists.
      return key !== '' && value === (taint.value ?? '');
    case 'Exists':
      return true;
    default:
      return false;
  }
}

export function anyTolerates(tolerations: readonly Toleration[] | undefined, taint: Taint): boolean {
  return tolerations?.some((toleration) => tolerates(toleration, taint)) ?? false;
}
