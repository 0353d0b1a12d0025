/** What the server does: rates, latencies, watchers, and the contexts that are used most. */
import type { ComponentChildren } from 'preact';
import { useState } from 'preact/hooks';
import type { Stats } from '../../../clients/typescript/src/gen/chord/v1/stats.js';
import type { Duration } from '../../../clients/typescript/src/gen/google/protobuf/duration.js';
import { fromDuration, fromTimestamp } from '../../../clients/typescript/src/model.js';
import { isRefusal, refused, watchStats } from '../api.js';
import { useSeen } from '../hooks.js';
import { visible } from '../json/visible.js';
import { Problem } from '../parts.js';
import { linkTo } from '../state.js';
import { Plot } from './plot.js';

/** Seconds that the plots show, a sample each. */
const SAMPLES = 300;
const RETRY = 2000;

function useSamples(): { samples: readonly Stats[]; error: Error | undefined } {
  const [samples, setSamples] = useState<readonly Stats[]>([]);
  const [error, setError] = useState<Error>();
  const show = (stats: Stats) => setSamples((before) => [...before.slice(1 - SAMPLES), stats]);
  useSeen((signal) => followStats(signal, show, setError), []);
  return { samples, error };
}

async function followStats(
  signal: AbortSignal,
  show: (stats: Stats) => void,
  fail: (error: Error | undefined) => void,
): Promise<void> {
  while (!signal.aborted) {
    try {
      for await (const stats of watchStats(signal)) {
        show(stats);
        fail(undefined);
      }
    } catch (error) {
      if (signal.aborted) return;
      fail(refused(error));
      if (!isRefusal(error, 'UNAVAILABLE')) return;
    }
    await new Promise((resolve) => setTimeout(resolve, RETRY));
  }
}

const WRITE = /\.ContextService\/(?!Get|List)/;
const slowest = (methods: Stats['methods']) => Math.max(0, ...methods.map(({ p99 }) => fromDuration(p99) ?? 0));
const sum = ({ methods }: Stats, what: 'calls' | 'failed') => methods.reduce((all, each) => all + each[what], 0);
/** Seconds. */
const elapsedOf = ({ elapsed }: Stats) => (fromDuration(elapsed) ?? 1000) / 1000;

export function ServerView() {
  const { samples, error } = useSamples();
  const last = samples.at(-1);
  return (
    <main class="server">
      {error && <Problem error={error} />}
      {!last && !error && <p class="hint">The first figures come after a second.</p>}
      {last && (
        <>
          <Summary stats={last} />
          <Plots samples={samples} />
          <div class="tables">
            <Hottest stats={last} />
            <Methods stats={last} />
          </div>
        </>
      )}
    </main>
  );
}

function Summary({ stats: { server, store } }: { readonly stats: Stats }) {
  const fact = (name: string, value: string) => (
    <div>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </div>
  );
  const state = !store?.serving ? store?.detail || 'not serving' : store.readOnly ? 'read-only' : 'serving';
  return (
    <dl class="facts">
      {fact('Chord', server?.version ?? '–')}
      {fact('Store', `${server?.backend}, ${state}`)}
      {fact('Up since', fromTimestamp(server?.startedAt)?.toLocaleString() ?? '–')}
    </dl>
  );
}

function Plots({ samples }: { readonly samples: readonly Stats[] }) {
  const times = samples.map(({ takenAt }) => takenAt?.seconds ?? 0);
  const series = (name: string, of: (stats: Stats) => number | undefined) => ({
    name,
    values: samples.map((stats) => of(stats) ?? 0),
  });
  const rate = (name: string, of: (stats: Stats) => number | undefined) =>
    series(name, (stats) => (of(stats) ?? 0) / elapsedOf(stats));
  return (
    <div class="plots">
      <Plot
        title="Calls / s"
        times={times}
        format={rounded}
        series={[rate('all', (stats) => sum(stats, 'calls')), rate('not OK', (stats) => sum(stats, 'failed'))]}
      />
      <Plot
        title="Deliveries / s"
        times={times}
        format={rounded}
        series={[
          rate('deltas', ({ watches }) => watches?.deltas),
          rate('merged', ({ watches }) => watches?.merged),
          rate('documents', ({ watches }) => watches?.documents),
        ]}
      />
      <Plot
        title="Watchers"
        times={times}
        format={rounded}
        series={[
          series('streams', ({ watches }) => watches?.streams),
          series('watched', ({ watches }) => watches?.targets),
        ]}
      />
      <Plot
        title="Connections"
        times={times}
        format={rounded}
        series={[series('open', ({ server }) => server?.connections)]}
      />
      <Plot
        title="Latency, p99"
        times={times}
        format={milliseconds}
        series={[
          series('writes', ({ methods }) => slowest(methods.filter(({ method }) => WRITE.test(method)))),
          series('reads', ({ methods }) => slowest(methods.filter(({ method }) => !WRITE.test(method)))),
          series('commits', ({ store }) => fromDuration(store?.p99)),
        ]}
      />
      <Plot
        title="Event-loop delay, p99"
        times={times}
        format={milliseconds}
        series={[series('delay', ({ server }) => fromDuration(server?.eventLoopDelay))]}
      />
      <Plot title="CPU" times={times} format={percent} series={[series('cores', ({ server }) => server?.cpu)]} />
      <Plot
        title="Memory"
        times={times}
        format={mebibytes}
        series={[
          series('resident', ({ server }) => (server?.residentBytes ?? 0) / 2 ** 20),
          series('heap', ({ server }) => (server?.heapBytes ?? 0) / 2 ** 20),
        ]}
      />
    </div>
  );
}

function Hottest({ stats: { hottest } }: { readonly stats: Stats }) {
  return (
    <Table
      title="Hottest contexts"
      heads={['Context', 'Writes / s', 'Reads / s', 'Watchers']}
      rows={hottest.map(({ contextId, writesPerSecond, readsPerSecond, watchers }) => ({
        key: contextId,
        first: <a href={linkTo({ id: contextId })}>{visible(contextId)}</a>,
        figures: [rounded(writesPerSecond), rounded(readsPerSecond), whole(watchers)],
      }))}
    />
  );
}

function Methods({ stats }: { readonly stats: Stats }) {
  const busiest = stats.methods.toSorted((a, b) => b.calls - a.calls || b.inFlight - a.inFlight);
  const time = (value: Duration | undefined) => (value === undefined ? '–' : milliseconds(fromDuration(value)!));
  return (
    <Table
      title="Methods"
      heads={['Method', 'Calls / s', 'Not OK', 'Open', 'Median', 'p99']}
      rows={busiest.map(({ method, calls, failed, inFlight, median, p99 }) => ({
        key: method,
        first: method.replace(/^chord\.v1\./, ''),
        figures: [rounded(calls / elapsedOf(stats)), whole(failed), whole(inFlight), time(median), time(p99)],
      }))}
    />
  );
}

interface TableProps {
  readonly title: string;
  readonly heads: readonly string[];
  readonly rows: readonly { key: string; first: ComponentChildren; figures: readonly string[] }[];
}

function Table({ title, heads, rows }: TableProps) {
  return (
    <table class="figures-table">
      <caption>{title}</caption>
      <thead>
        <tr>
          {heads.map((head) => (
            <th key={head} scope="col">
              {head}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {rows.map(({ key, first, figures }) => (
          <tr key={key}>
            <th scope="row">{first}</th>
            {figures.map((figure, i) => (
              <td key={heads[i + 1]}>{figure}</td>
            ))}
          </tr>
        ))}
        {rows.length === 0 && (
          <tr>
            <td class="hint" colSpan={heads.length}>
              none yet
            </td>
          </tr>
        )}
      </tbody>
    </table>
  );
}

const whole = (value = 0) => value.toLocaleString('en');
const rounded = (value: number) => value.toLocaleString('en', { maximumFractionDigits: value < 10 ? 1 : 0 });
const milliseconds = (value: number) =>
  `${value.toLocaleString('en', { maximumFractionDigits: value < 10 ? 1 : 0 })} ms`;
const percent = (value: number) => `${Math.round(value * 100)} %`;
const mebibytes = (value: number) => `${whole(Math.round(value))} MiB`;
