/** How long plugins and webhooks think, under upstream's names. */
import type { AdmissionObserver } from '../admission/admission.ts';
import type { Metrics } from './metrics.ts';

const SECONDS = [0.005, 0.025, 0.1, 0.5, 1, 2.5];
const ABOUT = ['operation', 'rejected', 'type'];

export function admissionMetrics(registry: Metrics, monotonic: () => number): AdmissionObserver {
  const plugins = registry.histogram(
    'apiserver_admission_controller_admission_duration_seconds',
    'Time that one admission plugin took.',
    { labels: ['name', ...ABOUT], buckets: SECONDS },
  );
  const steps = registry.histogram(
    'apiserver_admission_step_admission_duration_seconds',
    'Time that all admission plugins together took.',
    { labels: ABOUT, buckets: SECONDS },
  );
  const webhooks = registry.histogram(
    'apiserver_admission_webhook_admission_duration_seconds',
    'Time that one admission webhook took.',
    { labels: ['name', ...ABOUT], buckets: [...SECONDS, 10, 25] },
  );
  const since = (start: number): number => (monotonic() - start) / 1000;
  return {
    now: monotonic,
    plugin: (name, { operation, rejected, type, start }) =>
      plugins.observe([name, operation, String(rejected), type], since(start)),
    step: ({ operation, rejected, type, start }) =>
      steps.observe([operation, String(rejected), type], since(start)),
    webhook: (name, { operation, rejected, type, start }) =>
      webhooks.observe([name, operation, String(rejected), type], since(start)),
  };
}
