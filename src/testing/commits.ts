/** Helpers that make commits: positions, heads and payloads follow from the version. */
import type { Cause, Expiry, MembersMark, Payload, Position } from '../model/model.js';
import type { Commit, Due, LogRecord, MemberChanges, Outcome, Request, Store } from '../store/store.js';

export function range(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i);
}

/** `line` distinguishes histories that share epoch and version. */
export function positionAt(version: number, line = '', epoch = 'first'): Position {
  return { epoch, version, digest: `${line}${version}` };
}

/** A payload with the given number in it, padded to `bytes` in each half. */
export function numbered(number: number, bytes = 8): Payload {
  return {
    changes: Buffer.from(`change ${number}`.padEnd(bytes)),
    olds: Buffer.from(`old ${number}`.padEnd(bytes)),
  };
}

export interface CommitParts {
  /** The line of the position after the commit. Default: the line of `expected`, or the default of positionAt. */
  readonly line?: string;
  readonly epoch?: string;
  /** null: no new version. */
  readonly payload?: Payload | null;
  readonly snapshot?: Uint8Array;
  readonly request?: Request;
  readonly expiry?: Expiry;
  readonly touchedAt?: number;
  readonly cause?: Cause;
  readonly provenance?: Uint8Array;
  /** The expected stamp. */
  readonly stamp?: number | undefined;
  /** The mark of the head after the commit. */
  readonly mark?: MembersMark | undefined;
  readonly members?: MemberChanges | undefined;
}

export function commitOf(id: string, expected: Position | null, parts: CommitParts = {}): Commit {
  const { line, payload = numbered(expected?.version ?? 0), snapshot, request, expiry, touchedAt } = parts;
  const { cause, provenance, stamp, mark, members } = parts;
  const epoch = parts.epoch ?? expected?.epoch;
  const next = positionAt((expected?.version ?? 0) + 1, line, epoch);
  const position = payload === null && expected !== null ? expected : next;
  const times = { createdAt: 1_000, updatedAt: 1_000 + position.version, ...(touchedAt && { touchedAt }) };
  return {
    id,
    expected,
    head: {
      position,
      ...times,
      weight: position.version * 10,
      ...(expiry && { expiry }),
      ...(mark && { members: mark }),
    },
    ...(payload && { payload, ...(cause && { cause }), ...(provenance && { provenance }) }),
    ...(stamp !== undefined && { stamp }),
    ...(members && { members }),
    ...(snapshot && { snapshot }),
    ...(request && { request }),
  };
}

/** The record that the store should keep for a commit with a payload. */
export function recordOf({ head, payload, cause, provenance }: Commit): LogRecord {
  const origin = { ...(cause && { cause }), ...(provenance && { provenance }) };
  return { position: head.position, at: head.updatedAt, ...payload!, ...origin };
}

/** Writes a context from version `from` to `to`, with one pipelined commit per version. */
export async function write(
  store: Store,
  id: string,
  to: number,
  from = 0,
  parts: (index: number) => CommitParts = () => ({}),
): Promise<Commit[]> {
  const commits = range(to - from).map((i) => {
    const version = from + i;
    return commitOf(id, version === 0 ? null : positionAt(version), parts(i));
  });
  for (const outcome of await Promise.all(commits.map((commit) => store.commit(commit)))) {
    if (outcome.kind !== 'committed') throw new Error(`${id}: ${outcome.kind}`);
  }
  return commits;
}

/** The number of outcomes of each kind. */
export function kinds(outcomes: readonly Outcome[]): Partial<Record<Outcome['kind'], number>> {
  const counts: Partial<Record<Outcome['kind'], number>> = {};
  for (const { kind } of outcomes) counts[kind] = (counts[kind] ?? 0) + 1;
  return counts;
}

/** The same value with all bytes as text, so that Buffer and Uint8Array compare by their contents. */
export function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return `bytes ${Buffer.from(value).toString('hex')}`;
  if (Array.isArray(value)) return value.map(plain);
  if (value instanceof Map) return [...value].map(plain);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, plain(member)]));
}

/** Deterministic: the same request for the same id. */
export function requestOf(id: string): Request {
  return { id, fingerprint: `print of ${id}`, result: Buffer.from(`result of ${id}`), at: 1 };
}

/** The ids of due entries, without their keys. */
export async function ids(found: Promise<readonly Due[]>): Promise<string[]> {
  return (await found).map(({ id }) => id);
}
