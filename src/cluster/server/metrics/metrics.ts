/** Counters, gauges and histograms, and their text (https://prometheus.io/docs/instrumenting/exposition_formats/, 0.0.4). */

export type LabelValues = readonly string[];

interface Family {
  readonly name: string;
  readonly help: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  /** Lines, those of one label set together. */
  samples(): Iterable<string>;
}

export class Metrics {
  readonly #families: Family[] = [];

  counter(name: string, help: string, labels: readonly string[]): Counter {
    const counter = new Counter(name, help, labels);
    this.#families.push(counter);
    return counter;
  }

  histogram(name: string, help: string, options: HistogramOptions): Histogram {
    const histogram = new Histogram(name, help, options);
    this.#families.push(histogram);
    return histogram;
  }

  /** `read` is called for each scrape. */
  gauge(
    name: string,
    help: string,
    options: {
      readonly labels: readonly string[];
      readonly type?: 'counter' | 'gauge';
      readonly read: () => Iterable<readonly [LabelValues, number]>;
    },
  ): void {
    const { labels, type = 'gauge', read } = options;
    this.#families.push({
      name,
      help,
      type,
      *samples() {
        for (const [values, value] of read()) yield `${name}${labelText(labels, values)} ${value}\n`;
      },
    });
  }

  /** The text of all those whose names begin so, in parts of whole lines. */
  *text(prefix = ''): Generator<string> {
    const asked = this.#families.filter(({ name }) => name.startsWith(prefix));
    for (const family of asked.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
      const { name, help, type } = family;
      yield `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n`;
      yield* family.samples();
    }
  }
}

function labelText(names: readonly string[], values: LabelValues): string {
  return names.length === 0 ? '' : `{${pairs(names, values)}}`;
}

function pairs(names: readonly string[], values: LabelValues): string {
  return names.map((name, i) => `${name}="${escaped(values[i] ?? '')}"`).join(',');
}

function escaped(value: string): string {
  if (!/[\\"\n]/.test(value)) return value;
  return value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}

/** Label sets beyond this are counted together: clients choose paths and names. */
const MAX_SERIES = 10_000;

class Series<T> {
  readonly #byKey = new Map<string, { readonly values: LabelValues; readonly state: T }>();
  readonly #make: () => T;

  constructor(make: () => T) {
    this.#make = make;
  }

  of(values: LabelValues): T {
    const key = values.join('\0');
    let found = this.#byKey.get(key);
    if (found === undefined) {
      if (this.#byKey.size >= MAX_SERIES && values.some((value) => value !== 'other')) {
        return this.of(values.map(() => 'other'));
      }
      found = { values, state: this.#make() };
      this.#byKey.set(key, found);
    }
    return found.state;
  }

  all(): Iterable<{ readonly values: LabelValues; readonly state: T }> {
    return this.#byKey.values();
  }
}

/** One of a counter's label sets, for those who count it often. */
export class CounterSeries {
  count = 0;

  add(by = 1): void {
    this.count += by;
  }
}

export class Counter implements Family {
  readonly type = 'counter';
  readonly name: string;
  readonly help: string;
  readonly #labels: readonly string[];
  readonly #series = new Series(() => new CounterSeries());

  constructor(name: string, help: string, labels: readonly string[]) {
    this.name = name;
    this.help = help;
    this.#labels = labels;
  }

  series(values: LabelValues): CounterSeries {
    return this.#series.of(values);
  }

  add(values: LabelValues, by = 1): void {
    this.series(values).add(by);
  }

  *samples(): Generator<string> {
    for (const { values, state } of this.#series.all()) {
      yield `${this.name}${labelText(this.#labels, values)} ${state.count}\n`;
    }
  }
}

export interface HistogramOptions {
  readonly labels: readonly string[];
  /** Upper bounds, ascending. */
  readonly buckets: readonly number[];
}

/** One of a histogram's label sets, for those who observe it often. */
export class HistogramSeries {
  readonly #bounds: readonly number[];
  sum = 0;
  count = 0;
  /** How many values were in each bucket and in none below it. */
  readonly buckets: Float64Array;

  constructor(bounds: readonly number[]) {
    this.#bounds = bounds;
    this.buckets = new Float64Array(bounds.length);
  }

  observe(value: number): void {
    this.sum += value;
    this.count++;
    const bounds = this.#bounds;
    for (let i = 0; i < bounds.length; i++) {
      if (value > bounds[i]!) continue;
      this.buckets[i]!++;
      break;
    }
  }
}

export class Histogram implements Family {
  readonly type = 'histogram';
  readonly name: string;
  readonly help: string;
  readonly #options: HistogramOptions;
  readonly #series: Series<HistogramSeries>;

  constructor(name: string, help: string, options: HistogramOptions) {
    this.name = name;
    this.help = help;
    this.#options = options;
    this.#series = new Series(() => new HistogramSeries(options.buckets));
  }

  series(values: LabelValues): HistogramSeries {
    return this.#series.of(values);
  }

  observe(values: LabelValues, value: number): void {
    this.series(values).observe(value);
  }

  *samples(): Generator<string> {
    const { labels, buckets } = this.#options;
    for (const { values, state } of this.#series.all()) {
      const own = pairs(labels, values);
      const bucket = `${this.name}_bucket{${own}${own === '' ? '' : ','}le="`;
      let text = '';
      let below = 0;
      for (const [i, bound] of buckets.entries()) {
        below += state.buckets[i]!;
        text += `${bucket}${bound}"} ${below}\n`;
      }
      const all = own === '' ? '' : `{${own}}`;
      text += `${bucket}+Inf"} ${state.count}\n`;
      yield `${text}${this.name}_sum${all} ${state.sum}\n${this.name}_count${all} ${state.count}\n`;
    }
  }
}
