/** What views wait for: answers, and the document that is watched. */
import { useEffect, useRef, useState } from 'preact/hooks';
import { apply, type Delta, type WatchEvent } from '../../clients/typescript/src/web.js';
import { type Document, refused, watchContext } from './api.js';
import { token, useCell } from './state.js';

export interface Loaded<T> {
  /** The last answer, or why there is none; it stays while the next one is loaded. */
  readonly value: T | undefined;
  readonly error: Error | undefined;
  readonly loading: boolean;
}

/** Loads now, and again when what it depends on or the token has changed; an answer that is late is dropped. */
export function useLoad<T>(load: (signal: AbortSignal) => Promise<T>, on: readonly unknown[]): Loaded<T> {
  const [loaded, setLoaded] = useState<Loaded<T>>({ value: undefined, error: undefined, loading: true });
  const shown = useCell(token);
  useEffect(() => {
    const leaving = new AbortController();
    setLoaded((before) => ({ ...before, loading: true }));
    load(leaving.signal).then(
      (value) => leaving.signal.aborted || setLoaded({ value, error: undefined, loading: false }),
      (error) => leaving.signal.aborted || setLoaded({ value: undefined, error, loading: false }),
    );
    return () => leaving.abort();
  }, [...on, shown]);
  return loaded;
}

/** Runs while the page is seen, and anew with another token: a page in the background holds no connection. */
export function useSeen(run: (signal: AbortSignal) => Promise<void>, on: readonly unknown[]): void {
  const shown = useCell(token);
  useEffect(() => {
    let leaving = new AbortController();
    const start = () => {
      leaving.abort();
      leaving = new AbortController();
      if (!document.hidden) void run(leaving.signal);
    };
    start();
    document.addEventListener('visibilitychange', start);
    return () => {
      document.removeEventListener('visibilitychange', start);
      leaving.abort();
    };
  }, [...on, shown]);
}

/** The document as it is now. */
export interface Live {
  readonly state: 'connecting' | 'live' | 'absent' | 'deleted' | 'refused';
  readonly document: Document | undefined;
  /** What the last message changed; undefined: it brought the whole document. */
  readonly delta: Delta | undefined;
  readonly error: Error | undefined;
}

const CONNECTING: Live = { state: 'connecting', document: undefined, delta: undefined, error: undefined };

export function useLive(contextId: string): Live {
  const [live, setLive] = useState(CONNECTING);
  const last = useRef(live);
  useSeen(
    (signal) => {
      const show = (next: Live) => {
        if (signal.aborted) return;
        last.current = next;
        setLive(next);
      };
      return followContext(contextId, () => last.current, show, signal);
    },
    [contextId],
  );
  return live;
}

async function followContext(
  contextId: string,
  last: () => Live,
  show: (live: Live) => void,
  signal: AbortSignal,
): Promise<void> {
  const watch = watchContext(contextId, last().document, signal, () => show({ ...last(), state: 'connecting' }));
  // Deltas of one frame are applied and shown together, however many there are.
  let waiting: (Delta & WatchEvent)[] = [];
  const flush = () => {
    const deltas = waiting;
    waiting = [];
    if (deltas.length === 0 || signal.aborted) return;
    try {
      show(applied(last().document!, deltas));
    } catch {
      watch.resync(deltas);
    }
  };
  try {
    for await (const event of watch) {
      if (event.type === 'delta') {
        if (waiting.push(event) === 1) requestAnimationFrame(flush);
        continue;
      }
      flush();
      if (event.type === 'full') show({ ...CONNECTING, state: 'live', document: event });
      else if (event.type === 'caughtUp') show({ ...last(), state: standing(last()) });
      else show({ ...last(), state: event.type, delta: undefined });
    }
  } catch (error) {
    if (!signal.aborted) show({ ...last(), state: 'refused', error: refused(error) });
  }
}

/** After all that existed was sent. */
function standing({ state, document }: Live): Live['state'] {
  if (state === 'deleted' || state === 'absent') return state;
  return document ? 'live' : 'absent';
}

/** @throws DeltaMismatch */
function applied(document: Document, deltas: readonly Delta[]): Live {
  const changes = deltas.flatMap((delta) => delta.changes);
  const newest = deltas.at(-1)!;
  const { provenance: _, ...merged } = { ...newest, changes };
  const { to, updatedAt } = newest;
  const value = apply(changes, document.value);
  const delta = deltas.length === 1 ? newest : merged;
  return { state: 'live', document: { ...document, value, position: to, updatedAt }, delta, error: undefined };
}

/** Calls back at an interval in milliseconds, for times that are written as ages. */
export function useTick(interval: number): void {
  const [, setTick] = useState(0);
  const ticks = useRef(0);
  useEffect(() => {
    const timer = setInterval(() => setTick(++ticks.current), interval);
    return () => clearInterval(timer);
  }, [interval]);
}
