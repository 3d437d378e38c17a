/** Counters, gauges and histograms, and their text (https://prometheus.io/docs/instrumenting/exposition_formats/, 0.0.4). */

export type LabelValues = readonly string[];

interface Family {
  readonly name: string;
  readonly help: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
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
        for (const [values, value] of read()) yield `${name}${labelText(labels, values)} ${value}`;
      },
    });
  }

  /** Of all those whose names begin so. */
  text(prefix = ''): string {
    const lines: string[] = [];
    const asked = this.#families.filter(({ name }) => name.startsWith(prefix));
    for (const family of asked.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
      const { name, help, type } = family;
      lines.push(`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`, ...family.samples());
    }
    return `${lines.join('\n')}\n`;
  }
}

function labelText(names: readonly string[], values: LabelValues, more = ''): string {
  const pairs = names.map((name, i) => `${name}="${escaped(values[i] ?? '')}"`);
  if (more !== '') pairs.push(more);
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`;
}

function escaped(value: string): string {
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
      yield `${this.name}${labelText(this.#labels, values)} ${state.count}`;
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
      let below = 0;
      for (const [i, bound] of buckets.entries()) {
        below += state.buckets[i]!;
        yield `${this.name}_bucket${labelText(labels, values, `le="${bound}"`)} ${below}`;
      }
      yield `${this.name}_bucket${labelText(labels, values, 'le="+Inf"')} ${state.count}`;
      yield `${this.name}_sum${labelText(labels, values)} ${state.sum}`;
      yield `${this.name}_count${labelText(labels, values)} ${state.count}`;
    }
  }
}
