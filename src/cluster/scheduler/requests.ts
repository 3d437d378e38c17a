/** What pods ask for and nodes have, as numbers. */
import type { Container, Pod } from '../api/generated/core-v1.ts';
import { quantityMilli, quantityValue } from '../api/quantity.ts';

/** Amounts by resource name: cpu in thousandths of a core, everything else in whole units (bytes, pieces). */
export type Amounts = ReadonlyMap<string, number>;

export function parseAmounts(quantities: Readonly<Record<string, string>> | undefined): Map<string, number> {
  const amounts = new Map<string, number>();
  for (const [name, text] of Object.entries(quantities ?? {})) {
    amounts.set(name, name === 'cpu' ? quantityMilli(text) : quantityValue(text));
  }
  return amounts;
}

export function addTo(sum: Map<string, number>, amounts: Amounts, factor: 1 | -1 = 1): void {
  for (const [name, amount] of amounts) sum.set(name, (sum.get(name) ?? 0) + factor * amount);
}

function raiseTo(peak: Map<string, number>, amounts: Amounts): void {
  for (const [name, amount] of amounts) peak.set(name, Math.max(peak.get(name) ?? 0, amount));
}

/** Requests of a container; the scores count a small one where none is stated. */
type RequestsOf = (container: Container) => Amounts;

/**
 * The most that a pod uses at any time: the larger of its containers together and of each init container beside the
 * sidecars started before it, plus its overhead (KEP-753). Requests of the pod as a whole (KEP-2837) replace the sum.
 */
export function podRequests(pod: Pod): Amounts {
  return peakOf(pod, (container) => parseAmounts(container.resources?.requests));
}

/** As `podRequests`, every container counted with at least 100m of cpu and 200 MiB: scores spread pods that state nothing. */
export function podRequestsForScore(pod: Pod): Amounts {
  return peakOf(pod, (container) => {
    const amounts = parseAmounts(container.resources?.requests);
    if (!amounts.has('cpu')) amounts.set('cpu', 100);
    if (!amounts.has('memory')) amounts.set('memory', 200 * 1024 * 1024);
    return amounts;
  });
}

function peakOf(pod: Pod, requestsOf: RequestsOf): Amounts {
  const together = new Map<string, number>();
  for (const container of pod.spec?.containers ?? []) addTo(together, requestsOf(container));
  const sidecars = new Map<string, number>();
  const peak = new Map<string, number>();
  for (const container of pod.spec?.initContainers ?? []) {
    const requests = requestsOf(container);
    if (container.restartPolicy === 'Always') {
      addTo(sidecars, requests);
      addTo(together, requests);
      raiseTo(peak, sidecars);
    } else {
      const during = new Map(sidecars);
      addTo(during, requests);
      raiseTo(peak, during);
    }
  }
  raiseTo(together, peak);
  for (const [name, amount] of parseAmounts(pod.spec?.resources?.requests)) together.set(name, amount);
  addTo(together, parseAmounts(pod.spec?.overhead));
  return together;
}
