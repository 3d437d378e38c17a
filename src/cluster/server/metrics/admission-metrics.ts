/** How long plugins and webhooks think, under upstream's names. */
import type { AdmissionObserver, Operation, StepObserver, StepType } from '../admission/admission.ts';
import type { Histogram, HistogramSeries, Metrics } from './metrics.ts';

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
  const known = new Map<StepType, Map<Operation, StepMetrics>>();
  return {
    now: monotonic,
    step(operation, type) {
      let ofType = known.get(type);
      if (ofType === undefined) known.set(type, (ofType = new Map()));
      let step = ofType.get(operation);
      if (step === undefined)
        ofType.set(operation, (step = new StepMetrics(plugins, steps, [operation, type])));
      return step;
    },
    webhook: (name, { operation, rejected, type, start }) =>
      webhooks.observe([name, operation, String(rejected), type], (monotonic() - start) / 1000),
  };
}

/** Of one operation in one step. What is not refused is looked up once for each plugin: a write asks a dozen of them. */
class StepMetrics implements StepObserver {
  readonly #plugins: Histogram;
  readonly #steps: Histogram;
  readonly #about: readonly [Operation, StepType];
  readonly #accepted = new Map<string, HistogramSeries>();
  #whole: HistogramSeries | undefined;

  constructor(plugins: Histogram, steps: Histogram, about: readonly [Operation, StepType]) {
    this.#plugins = plugins;
    this.#steps = steps;
    this.#about = about;
  }

  plugin(name: string, rejected: boolean, ms: number): void {
    const [operation, type] = this.#about;
    let series = rejected ? undefined : this.#accepted.get(name);
    if (series === undefined) {
      series = this.#plugins.series([name, operation, String(rejected), type]);
      if (!rejected) this.#accepted.set(name, series);
    }
    series.observe(ms / 1000);
  }

  end(rejected: boolean, ms: number): void {
    const [operation, type] = this.#about;
    if (rejected) this.#steps.observe([operation, 'true', type], ms / 1000);
    else (this.#whole ??= this.#steps.series([operation, 'false', type])).observe(ms / 1000);
  }
}
