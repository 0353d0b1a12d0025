/** Metrics in the text format of Prometheus, version 0.0.4. */
import { Histogram } from '../model/histogram.js';

export const CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

export type Labels = Readonly<Record<string, string>>;

/** A metric, with its values by labels. */
export interface Family {
  readonly name: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly help: string;
  readonly values: Iterable<readonly [Labels, number | Histogram]>;
}

export function expose(families: Iterable<Family>): string {
  let text = '';
  for (const { name, type, help, values } of families) {
    text += `# HELP ${name} ${help.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')}\n# TYPE ${name} ${type}\n`;
    for (const [labels, value] of values) {
      text += value instanceof Histogram ? distribution(name, labels, value) : `${name}${braced(labels)} ${value}\n`;
    }
  }
  return text;
}

function distribution(name: string, labels: Labels, histogram: Histogram): string {
  const { count, sum } = histogram;
  const bounds = [...histogram.buckets(), ['+Inf', count] as const];
  const buckets = bounds.map(([le, below]) => `${name}_bucket${braced({ ...labels, le: `${le}` })} ${below}\n`);
  return `${buckets.join('')}${name}_sum${braced(labels)} ${sum}\n${name}_count${braced(labels)} ${count}\n`;
}

function braced(labels: Labels): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escaped(value)}"`);
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`;
}

function escaped(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}
