/** What views wait for: answers, and the document that is watched. */
import { useEffect, useRef, useState } from 'preact/hooks';
import { apply, type Delta } from '../../clients/typescript/src/web.js';
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
    async (signal) => {
      const show = (next: Live) => {
        if (signal.aborted) return;
        last.current = next;
        setLive(next);
      };
      const lost = () => show({ ...last.current, state: 'connecting' });
      const watch = watchContext(contextId, last.current.document, signal, lost);
      try {
        for await (const event of watch) {
          const { document } = last.current;
          if (event.type === 'full') show({ ...CONNECTING, state: 'live', document: event });
          else if (event.type === 'delta') show(applied(document!, event));
          else if (event.type === 'caughtUp') show({ ...last.current, state: document ? 'live' : 'absent' });
          else show({ ...CONNECTING, state: event.type });
        }
      } catch (error) {
        show({ ...last.current, state: 'refused', error: signal.aborted ? undefined : refused(error) });
      }
    },
    [contextId],
  );
  return live;
}

function applied(document: Document, delta: Delta): Live {
  const { changes, to, updatedAt } = delta;
  const value = apply(changes, document.value);
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
