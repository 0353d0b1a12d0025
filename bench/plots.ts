/** Results as plots, in SVG: the ratios against their goals, and a curve for each thing that grows. */
import * as vega from 'vega';
import { compile, type TopLevelSpec } from 'vega-lite';
import type { Curve, Figure, Goal, Point } from './figures.js';
import type { Results } from './results.js';

export interface Plot {
  readonly name: string;
  readonly svg: string;
}

const BLUE = '#2f6db3';
const ORANGE = '#d5702b';
const GREY = '#8a8f98';
const FONT = 'Helvetica, Arial, sans-serif';

export async function plots({ figures, curves }: Results): Promise<Plot[]> {
  const judged = figures.filter(({ goal }) => goal !== undefined);
  const [scenarios, targets] = [
    judged.filter(({ target }) => target === 'S'),
    judged.filter(({ target }) => target !== 'S'),
  ];
  const specs: [string, TopLevelSpec][] = curves.map((curve) => [`growth-${curve.target}`, curveSpec(curve)]);
  if (targets.length > 0) specs.push(['ratios', goalsSpec('Each target beside its goal', targets)]);
  if (scenarios.length > 0)
    specs.push(['scenarios', goalsSpec('Scenarios of the Elixir library beside their goals', scenarios)]);
  return Promise.all(specs.map(async ([name, spec]) => ({ name, svg: await draw(spec) })));
}

// Without a canvas it takes each letter for 0.8 em wide, and shortens or leaves room accordingly; ours take some 0.55.
const { textMetrics } = vega as unknown as { textMetrics: { width(item: TextItem, text?: unknown): number } };
textMetrics.width = ({ fontSize = 11, text: own }, text = own) => 0.56 * fontSize * String(text ?? '').length;

interface TextItem {
  readonly fontSize?: number;
  readonly text?: unknown;
}

async function draw(spec: TopLevelSpec): Promise<string> {
  const view = new vega.View(vega.parse(compile(spec).spec), { renderer: 'none' });
  const svg = await view.toSVG();
  view.finalize();
  return `${svg}\n`;
}

const CONFIG = {
  background: 'white',
  padding: 12,
  config: {
    font: FONT,
    view: { stroke: null },
    axis: {
      gridColor: '#e6e8eb',
      titleFontWeight: 'normal',
      domainColor: GREY,
      tickColor: GREY,
      labelFontSize: 11,
      titleFontSize: 12,
    },
    title: { fontSize: 14, anchor: 'start', offset: 12, subtitleFontSize: 11, subtitleColor: '#555' },
    legend: { labelFontSize: 11, labelLimit: 480 },
  },
} as const;

/** One line for each figure: its part of the goal, with the span of single rounds. Left of 1 the goal is met. */
function goalsSpec(title: string, figures: readonly Figure[]): TopLevelSpec {
  const values = figures.map(({ target, name, ours, ratio, range, goal, verdict }) => {
    const parts = (range ?? [ratio]).map((each) => partOf(goal!, ours, each));
    const part = partOf(goal!, ours, ratio);
    const met = verdict!.startsWith('met') ? 'met' : 'missed';
    return {
      what: `${target}  ${name.replace(/;.*/, '')}`,
      part,
      low: Math.min(...parts),
      high: Math.max(...parts),
      met,
    };
  });
  const y = {
    field: 'what',
    type: 'nominal',
    sort: null,
    title: null,
    axis: { labelLimit: 480, ticks: false },
  } as const;
  const least = Math.min(0.5, ...values.map(({ low }) => low));
  const most = Math.max(2, ...values.map(({ high }) => high));
  const scale = { type: 'log' as const, domain: [least * 0.9, most * 1.1] as number[], nice: false };
  const x = {
    type: 'quantitative',
    scale,
    title: 'part of what the goal allows (logarithmic): left of 1 is met',
  } as const;
  const color = {
    field: 'met',
    type: 'nominal',
    title: null,
    scale: { domain: ['met', 'missed'], range: [BLUE, ORANGE] },
  } as const;
  return {
    ...CONFIG,
    title: { text: title, subtitle: 'dot: median of the rounds; line: the least and the greatest of them' },
    width: 420,
    height: { step: 20 },
    data: { values },
    layer: [
      {
        data: { values: [{ goal: 1 }] },
        mark: { type: 'rule', color: '#444', strokeDash: [4, 3] },
        encoding: { x: { field: 'goal', type: 'quantitative' } },
      },
      {
        mark: { type: 'rule', strokeWidth: 2 },
        encoding: { y, x: { field: 'low', ...x }, x2: { field: 'high' }, color },
      },
      {
        mark: { type: 'point', filled: true, size: 70, opacity: 1 },
        encoding: {
          y,
          x: { field: 'part', ...x },
          color,
          shape: {
            field: 'met',
            type: 'nominal',
            title: null,
            scale: { domain: ['met', 'missed'], range: ['circle', 'diamond'] },
          },
        },
      },
    ],
  };
}

/** At or below 1: reached. */
function partOf(goal: Goal, ours: number, ratio: number): number {
  if ('ratioAtMost' in goal) return ratio / goal.ratioAtMost;
  return 'ratioAtLeast' in goal ? goal.ratioAtLeast / ratio : ours / goal.oursAtMost;
}

/** Cost per operation, with the span of single rounds. From zero, where one scale can hold the points. */
function curveSpec({ target, title, along, operation, lines }: Curve): TopLevelSpec {
  const values = lines.flatMap(({ name, points }) => points.map((point) => ({ line: name, ...costOf(point) })));
  const [xs, ys] = [values.map(({ x }) => x), values.map(({ y }) => y)];
  const wide = (all: readonly number[]) => Math.max(...all) / Math.min(...all) > 12;
  const x = {
    field: 'x',
    type: wide(xs) ? 'quantitative' : 'ordinal',
    title: along,
    ...(wide(xs)
      ? { scale: { type: 'log' }, axis: { values: [...new Set(xs)], format: ',', grid: false } }
      : { axis: { labelAngle: 0 } }),
  } as const;
  const y = {
    type: 'quantitative',
    title: `µs CPU per ${operation}`,
    scale: wide(ys) ? { type: 'log' } : { zero: true },
  } as const;
  const names = lines.map(({ name }) => name);
  const color = {
    field: 'line',
    type: 'nominal',
    title: null,
    scale: { domain: names, range: [BLUE, ORANGE, GREY] },
  } as const;
  return {
    ...CONFIG,
    title: {
      text: title,
      subtitle: `${target}; dots: medians of the rounds, bars: the least and the greatest of them`,
    },
    width: 480,
    height: 240,
    data: { values },
    encoding: { x, color: { ...color, legend: { orient: 'bottom', direction: 'vertical' } } },
    layer: [
      { mark: { type: 'line', strokeWidth: 2 }, encoding: { y: { field: 'y', ...y } } },
      { mark: { type: 'rule', strokeWidth: 1.5 }, encoding: { y: { field: 'low', ...y }, y2: { field: 'high' } } },
      {
        mark: { type: 'point', filled: true, size: 60, opacity: 1 },
        encoding: {
          y: { field: 'y', ...y },
          shape: { field: 'line', type: 'nominal', title: null, scale: { domain: names } },
        },
      },
    ],
  } as TopLevelSpec;
}

function costOf({ x, cpuPerOperation, rounds }: Point) {
  const costs = rounds.map((round) => round.cpuPerOperation);
  return { x, y: cpuPerOperation, low: Math.min(...costs), high: Math.max(...costs) };
}
