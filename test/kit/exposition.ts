/** The text format of Prometheus, read strictly: whatever promtool would complain of is a fault here. */

export interface Line {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface ReadFamily {
  readonly name: string;
  readonly type: string;
  readonly lines: Line[];
}

const NAME = /^[a-z_][a-z0-9_]*$/;
const SAMPLE = /^([a-z_][a-z0-9_]*)(?:\{(.*)\})? (\S+)$/;
const LABEL = /([a-z_][a-z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"(?:,|$)/gy;

/** Families by name, and what is wrong with the text. Rules of `promtool check metrics` for names, for ours alone. */
export function readExposition(text: string): { families: Map<string, ReadFamily>; faults: string[] } {
  const families = new Map<string, ReadFamily>();
  const faults: string[] = [];
  const helped = new Set<string>();
  const seen = new Set<string>();
  let current: ReadFamily | undefined;
  for (const line of text.split('\n')) {
    if (line.trim() === '') continue;
    const [, kind, name = '', rest = ''] = /^# (HELP|TYPE) (\S+) (.*)$/.exec(line) ?? [];
    if (kind === 'HELP') {
      if (helped.has(name)) faults.push(`${name} is told twice`);
      helped.add(name);
      continue;
    }
    if (kind === 'TYPE') {
      if (!NAME.test(name)) faults.push(`${name} is no name`);
      if (!['counter', 'gauge', 'histogram', 'summary'].includes(rest))
        faults.push(`${name} is of type ${rest}`);
      if (!helped.has(name)) faults.push(`${name} has no help before its type`);
      families.set(name, (current = { name, type: rest, lines: [] }));
      continue;
    }
    const [, sample = '', labels = '', value = ''] = SAMPLE.exec(line) ?? [];
    const suffixes = current?.type === 'histogram' ? ['_bucket', '_sum', '_count'] : [''];
    if (!suffixes.some((suffix) => sample === `${current?.name}${suffix}`)) {
      faults.push(`does not belong where it stands: ${line}`);
      continue;
    }
    const read = Object.fromEntries(
      [...labels.matchAll(LABEL)].map(([, key = '', shown = '']) => [key, shown]),
    );
    const again = Object.entries(read).map(([key, shown]) => `${key}="${shown}"`);
    if (again.join(',') !== labels) faults.push(`labels cannot be read: ${line}`);
    const number = value === '+Inf' ? Infinity : Number(value);
    if (Number.isNaN(number) && value !== 'Nan') faults.push(`is no number: ${line}`);
    const key = `${sample}{${again.toSorted().join(',')}}`;
    if (seen.has(key)) faults.push(`stands twice: ${key}`);
    seen.add(key);
    current?.lines.push({ name: sample, labels: read, value: number });
  }
  for (const family of families.values()) {
    if (family.name.startsWith('portcullis_')) faults.push(...lint(family));
  }
  return { families, faults };
}

function lint({ name, type, lines }: ReadFamily): string[] {
  const faults: string[] = [];
  if ((type === 'counter') !== name.endsWith('_total')) faults.push(`${name} is a ${type}`);
  if (/_(milliseconds|ms|kilobytes|minutes|hours)\b/.test(name)) faults.push(`${name} is in no base unit`);
  if (/(gauge|counter|histogram)/.test(name)) faults.push(`${name} says its type`);
  if (type !== 'histogram') return faults;
  const groups = Map.groupBy(lines, ({ labels }) => JSON.stringify({ ...labels, le: undefined }));
  for (const [group, own] of groups) {
    const buckets = own.filter((line) => line.name.endsWith('_bucket'));
    const bounds = buckets.map(({ labels }) => (labels['le'] === '+Inf' ? Infinity : Number(labels['le'])));
    const count = own.find((line) => line.name.endsWith('_count'))?.value;
    const rising = (list: readonly number[]): boolean =>
      list.every((one, at) => at === 0 || one >= list[at - 1]!);
    if (!rising(bounds) || !rising(buckets.map(({ value }) => value)) || bounds.at(-1) !== Infinity)
      faults.push(`the buckets of ${name} do not rise to +Inf: ${group}`);
    if (count === undefined || buckets.at(-1)?.value !== count)
      faults.push(`${name} has no right count: ${group}`);
    if (!own.some((line) => line.name.endsWith('_sum'))) faults.push(`${name} has no sum: ${group}`);
  }
  return faults;
}

/** The number of the one line with these labels; undefined where there is none. */
export function valueOf(
  families: ReadonlyMap<string, ReadFamily>,
  name: string,
  labels: Record<string, string> = {},
): number | undefined {
  const family = families.get(name) ?? families.get(name.replace(/_(bucket|sum|count)$/, ''));
  return family?.lines.find(
    (line) =>
      line.name === name && Object.entries(labels).every(([key, value]) => line.labels[key] === value),
  )?.value;
}
