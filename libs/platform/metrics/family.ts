/** One line: a number and what it is of. */
export interface Sample {
  readonly value: number;
  readonly labels: Readonly<Record<string, string | number>>;
  /** Where it is not the family's own, as of the buckets of a histogram. */
  readonly metricName?: string;
}

/** A metric of Prometheus, as the text format shows it (prometheus.io/docs/instrumenting/exposition_formats). */
export interface Family {
  readonly name: string;
  readonly help: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly values: readonly Sample[];
}

type Labels = Sample['labels'];

/** A family of what `items` say; nothing of an item that has no such number. */
function familyOf<T>(
  type: Family['type'],
  name: string,
  help: string,
  items: Iterable<T>,
  sample: (item: T) => readonly [labels: Labels, value: number | undefined],
): Family {
  const values = [...items].flatMap((item) => {
    const [labels, value] = sample(item);
    return value === undefined ? [] : [{ labels, value }];
  });
  return { name: `portcullis_${name}`, help, type, values };
}

type Rest<T> = [
  name: string,
  help: string,
  items: Iterable<T>,
  sample: (item: T) => readonly [labels: Labels, value: number | undefined],
];

/** What goes up and down. */
export const gauges = <T>(...rest: Rest<T>): Family => familyOf('gauge', ...rest);

/** What only goes up while the process lives; the name ends in `_total`. */
export const counters = <T>(...rest: Rest<T>): Family => familyOf('counter', ...rest);

/** One number without labels. */
export const gauge = (name: string, help: string, value: number): Family =>
  gauges(name, help, [value], () => [{}, value]);

/** How often something took how long: of each item its labels, and how many took at most so many seconds. */
export function histograms<T>(
  name: string,
  help: string,
  items: Iterable<T>,
  bounds: readonly number[],
  read: (item: T) => { labels: Labels; within: readonly number[]; count: number; sum: number },
): Family {
  const whole = `portcullis_${name}`;
  const values = [...items].flatMap((item): Sample[] => {
    const { labels, within, count, sum } = read(item);
    const metricName = `${whole}_bucket`;
    return [
      ...bounds.map((le, at) => ({ metricName, labels: { ...labels, le }, value: within[at] ?? 0 })),
      { metricName, labels: { ...labels, le: '+Inf' }, value: count },
      { metricName: `${whole}_sum`, labels, value: sum },
      { metricName: `${whole}_count`, labels, value: count },
    ];
  });
  return { name: whole, help, type: 'histogram', values };
}
