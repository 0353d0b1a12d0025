/** Figures over the last minutes, drawn by uPlot in the colours of the theme. */
import { useEffect, useRef } from 'preact/hooks';
import UPlot from 'uplot';
import { theme, useCell } from '../state.js';

export interface Series {
  readonly name: string;
  readonly values: readonly number[];
}

interface PlotProps {
  readonly title: string;
  /** Seconds since 1970, as many as each series has values. */
  readonly times: readonly number[];
  readonly series: readonly Series[];
  readonly format: (value: number) => string;
}

const HEIGHT = 120;
/** Between two times on the axis. */
const SECONDS = [1, 5, 10, 30, 60, 120];
/** Of the variables in console.css. */
const COLOURS = ['--accent', '--number', '--muted'];

export function Plot({ title, times, series, format }: PlotProps) {
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<UPlot | undefined>(undefined);
  const shown = useCell(theme);
  useEffect(() => {
    const made = new UPlot(optionsOf(box.current!, series, format), [[]], box.current!);
    plot.current = made;
    const resized = new ResizeObserver(([entry]) => made.setSize({ width: entry!.contentRect.width, height: HEIGHT }));
    resized.observe(box.current!);
    return () => {
      resized.disconnect();
      made.destroy();
    };
  }, [shown, series.length]);
  useEffect(
    () => plot.current?.setData([times, ...series.map(({ values }) => values)] as UPlot.AlignedData),
    [times, shown],
  );
  const figures = series.map(({ name, values }) => ({ name, value: format(values.at(-1) ?? 0) }));
  return (
    <figure class="plot" aria-label={`${title}: ${figures.map(({ name, value }) => `${name} ${value}`).join(', ')}`}>
      <figcaption>
        <b>{title}</b>
        {figures.map(({ name, value }, i) => (
          <span key={name} class="figure">
            <i class={`swatch s${i}`} aria-hidden="true" />
            {name} <span class="number">{value}</span>
          </span>
        ))}
      </figcaption>
      <div ref={box} class="canvas" aria-hidden="true" />
    </figure>
  );
}

const clock = (seconds: number) => new Date(seconds * 1000).toTimeString().slice(0, 8);

function optionsOf(box: HTMLElement, series: readonly Series[], format: (value: number) => string): UPlot.Options {
  const style = getComputedStyle(box);
  // A variable may hold a choice between two colours: what the browser makes of it is asked for.
  const colour = (name: string) => {
    box.style.color = `var(${name})`;
    const resolved = style.color;
    box.style.color = '';
    return resolved;
  };
  const font = `11px ${style.fontFamily}`;
  const [stroke, grid] = [colour('--muted'), { stroke: colour('--line'), width: 1 }];
  const axis = { stroke, font, grid, ticks: { show: false } };
  return {
    width: box.clientWidth || 300,
    height: HEIGHT,
    padding: [8, 26, 0, 0],
    cursor: { show: false },
    legend: { show: false },
    scales: { y: { range: (_, __, max) => [0, Math.max(max * 1.1, Number.MIN_VALUE)] } },
    axes: [
      { ...axis, grid: { show: false }, size: 24, space: 90, incrs: SECONDS, values: (_, ticks) => ticks.map(clock) },
      { ...axis, size: 52, space: 32, values: (_, ticks) => ticks.map(format) },
    ],
    series: [
      {},
      ...series.map((_, i) => ({ stroke: colour(COLOURS[i]!), width: i === 0 ? 1.75 : 1.25, points: { show: false } })),
    ],
  };
}
