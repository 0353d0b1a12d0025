/** Reads metrics as Prometheus does, and refuses what it would refuse, or a reviewer. */

export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface Family {
  readonly name: string;
  readonly type: string;
  readonly help: string;
  readonly samples: Sample[];
}

const NAME = '[a-zA-Z_:][a-zA-Z0-9_:]*';
const LABEL = '[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\\\\n]|\\\\["\\\\n])*"';
const SAMPLE = new RegExp(`^(${NAME})(?:\\{(${LABEL}(?:,${LABEL})*)\\})? (\\S+)$`);

/** Families by name. Throws where the text breaks the format, or a habit that all metrics keep. */
export function parseMetrics(text: string): Map<string, Family> {
  const families = new Map<string, Family>();
  if (!text.endsWith('\n')) throw new Error('the last line has no end');
  let family: Family | undefined;
  let help: RegExpExecArray | null = null;
  for (const line of text.slice(0, -1).split('\n')) {
    if (line === '') continue;
    if (line.startsWith('# HELP ')) {
      help = new RegExp(`^# HELP (${NAME}) (\\S.*)$`).exec(line);
      if (!help) throw new Error(`a bad HELP: ${line}`);
      continue;
    }
    const type = new RegExp(`^# TYPE (${NAME}) (counter|gauge|histogram)$`).exec(line);
    if (type) {
      const [, name, kind] = type as unknown as [string, string, string];
      if (help?.[1] !== name) throw new Error(`${name} has no HELP`);
      if (families.has(name)) throw new Error(`${name} comes twice`);
      if (name.startsWith('chord_') && name.endsWith('_total') !== (kind === 'counter')) {
        throw new Error(`${name} is a ${kind}: counters, and they alone, end in _total`);
      }
      family = { name, type: kind, help: help[2]!, samples: [] };
      families.set(name, family);
      continue;
    }
    if (line.startsWith('#')) throw new Error(`a stray comment: ${line}`);
    const sample = sampleOf(line);
    const own = family && sample.name.replace(family.type === 'histogram' ? /_(bucket|sum|count)$/ : '', '');
    if (!family || own !== family.name) throw new Error(`not under its TYPE: ${line}`);
    family.samples.push(sample);
  }
  for (const each of families.values()) check(each);
  return families;
}

function sampleOf(line: string): Sample {
  const [, name, labels = '', written] = SAMPLE.exec(line) ?? [];
  const value = written === '+Inf' ? Number.POSITIVE_INFINITY : Number(written);
  // The library for Node's own metrics tells of an event loop that was not looked at yet in this way.
  if (!name || (Number.isNaN(value) && !(name.startsWith('nodejs_') && written === 'Nan')))
    throw new Error(`no sample: ${line}`);
  const pairs = [...labels.matchAll(/([a-zA-Z0-9_]+)="((?:[^"\\]|\\.)*)"/g)];
  const unescaped = (text: string) => text.replace(/\\(.)/g, (_, char) => (char === 'n' ? '\n' : char));
  return { name, labels: Object.fromEntries(pairs.map(([, key, text]) => [key!, unescaped(text!)])), value };
}

function check({ name, type, samples }: Family): void {
  const keys = samples.map(({ name, labels }) => name + JSON.stringify(Object.entries(labels).sort()));
  if (new Set(keys).size < keys.length) throw new Error(`${name} has the same labels twice`);
  if (type === 'counter' && samples.some(({ value }) => value < 0)) throw new Error(`${name} is negative`);
  if (type !== 'histogram') return;
  const series = new Map<string, Sample[]>();
  for (const sample of samples) {
    const { le: _, ...labels } = sample.labels;
    const key = JSON.stringify(labels);
    series.set(key, [...(series.get(key) ?? []), sample]);
  }
  for (const [labels, of] of series) {
    const buckets = of.filter((sample) => sample.name === `${name}_bucket`);
    const bounds = buckets.map(({ labels }) => (labels.le === '+Inf' ? Number.POSITIVE_INFINITY : Number(labels.le)));
    const counts = buckets.map(({ value }) => value);
    const count = of.find((sample) => sample.name === `${name}_count`)?.value;
    const rising = (values: number[], strictly: boolean) =>
      values.every((value, i) => i === 0 || value > values[i - 1]! || (!strictly && value === values[i - 1]));
    if (!rising(bounds, true) || !rising(counts, false)) throw new Error(`${name}${labels} has buckets that fall`);
    if (bounds.at(-1) !== Number.POSITIVE_INFINITY || counts.at(-1) !== count) {
      throw new Error(`${name}${labels} does not end with +Inf and its count`);
    }
    if (!of.some((sample) => sample.name === `${name}_sum`)) throw new Error(`${name}${labels} has no sum`);
  }
}

/** What the metrics of a server are now. */
export async function scrape(address: string | undefined): Promise<Metrics> {
  const response = await fetch(`http://${address}/metrics`);
  const type = response.headers.get('content-type');
  if (response.status !== 200 || type !== 'text/plain; version=0.0.4; charset=utf-8') {
    throw new Error(`${response.status} ${type}`);
  }
  return new Metrics(parseMetrics(await response.text()));
}

export class Metrics {
  constructor(readonly families: ReadonlyMap<string, Family>) {}

  /** The sum of all samples of this name that have these labels; 0 where there are none. */
  value(name: string, labels: Readonly<Record<string, string>> = {}): number {
    const samples = [...this.families.values()].flatMap((family) => family.samples);
    return samples
      .filter((sample) => sample.name === name && Object.entries(labels).every(([k, v]) => sample.labels[k] === v))
      .reduce((sum, { value }) => sum + value, 0);
  }
}
