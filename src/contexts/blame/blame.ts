/**
 * Who made each part of a document what it is: the retained deltas are read from the newest to the oldest, by the paths of
 * their changes alone, until the last change of each leaf is found. A page has some leaves; each page reads the deltas anew,
 * within the same bounds, and all pages are of one version.
 */
import { touchesInSteps } from '../../codec/touched.js';
import { weigh } from '../../delta/index.js';
import { type Path, pathLength } from '../../delta/types.js';
import { invalid, notFound } from '../../model/errors.js';
import { type Cause, type Json, type Position, samePosition } from '../../model/model.js';
import type { LogRecord, Store } from '../../store/store.js';
import type { Lane } from '../lane/lane.js';
import { inSteps, type Pace, paced } from '../long-work.js';
import type { PageOptions } from '../pagination.js';
import { bytesOf } from '../sync/merge.js';
import { bytesRead, PAST_BYTES_MAX, past, pastBudget } from '../sync/point-in-time.js';
import { PAGE_BYTES, pageSize } from '../validation.js';
import { type Leaf, type Leaves, leavesOf } from './leaves.js';
import { type BlamedRun, OpenLeaves } from './open-leaves.js';

/** What made a part of a document. */
export interface BlamedVersion {
  readonly version: number;
  readonly at: number;
  readonly cause?: Cause | undefined;
  readonly provenance?: Uint8Array | undefined;
}

export interface BlameLine {
  readonly path: Path;
  /** Elements of a list, or code points of a string. Absent: the whole value, which may be an empty one. */
  readonly run?: { readonly index: number; readonly count: number };
  /** The value, or these elements or this text of it. */
  readonly value: Json;
  /** Absent: it is older than the deltas that were read. */
  readonly by?: BlamedVersion | undefined;
}

export interface BlamePage {
  readonly position: Position;
  readonly lines: readonly BlameLine[];
  /** Lines without `by` are older than this version; 0: there are none. */
  readonly olderThan: number;
  readonly nextPageToken: string;
  /** Bytes of deltas that were read. */
  readonly read: number;
}

/** Versions that a page reads back, at most; and steps of carrying runs through splices. */
const VERSIONS_MAX = 10_000;
const STEPS_MAX = 10_000_000;
/** Records that are read at once, and their bytes, unless there is one alone. */
const WINDOW_MAX = 1000;
const WINDOW_BYTES = 4 << 20;
/** What a step of carrying costs, in bytes that are read. */
const STEP_COST = 8;
/** What a line costs beside its path and value, in bytes. */
const LINE_BYTES = 64;

/** Where a page begins: behind so many leaves of a version, and so many elements of the next one. */
interface Start {
  readonly version: number;
  readonly leaf: number;
  readonly element: number;
}

/** Throws as `past`; INVALID_ARGUMENT for a token of another list. The lane's state must be known. */
export async function blame(
  store: Store,
  lane: Lane,
  paths: readonly Path[] | undefined,
  { pageSize: asked = 0, pageToken = '' }: PageOptions,
): Promise<BlamePage> {
  const { id, durable } = lane;
  if (!durable) throw notFound(id);
  const size = pageSize(asked);
  for (const [i, path] of (paths ?? []).entries()) {
    if (path.length === 0) throw invalid(`paths[${i}].keys`, 'must name at least one key');
  }
  const start = pageToken ? startOf(pageToken, durable.position) : { version: 0, leaf: 0, element: 0 };
  const budget = pastBudget();
  const { head, document } = await past(store, lane, start.version || durable.position.version, budget);
  return paced(async (pace) => {
    const { leaves, more } = await someLeaves(leavesOf(document, paths), start.leaf, size, pace);
    const open = new OpenLeaves<BlamedVersion>();
    for (const [i, leaf] of leaves.entries()) open.add(leaf, i === 0 ? Math.min(start.element, leaf.length) : 0);
    const { oldest, read } = await follow(store, id, head.position, open, pace);
    const { lines, next } = linesOf(leaves, open, size);
    const end = next ?? (more ? { leaf: leaves.length, element: 0 } : undefined);
    const { epoch, version } = head.position;
    return {
      position: head.position,
      lines,
      olderThan: lines.some(({ by }) => !by) ? oldest : 0,
      read: bytesRead(budget) + read,
      nextPageToken: end ? `${epoch}:${version}:${start.leaf + end.leaf}:${end.element}` : '',
    };
  });
}

/** Skips leaves, and collects as many as a page may have; `more`: there are others behind them. */
async function someLeaves(
  all: Leaves,
  skipped: number,
  size: number,
  pace: Pace,
): Promise<{ readonly leaves: Leaf[]; readonly more: boolean }> {
  const leaves: Leaf[] = [];
  let seen = 0;
  for (const leaf of all) {
    const turn = leaf ? pace.spend(LINE_BYTES + leaf.length) : pace.look();
    if (turn !== undefined) await turn;
    if (!leaf || seen++ < skipped) continue;
    if (leaves.length === size) return { leaves, more: true };
    leaves.push(leaf);
  }
  return { leaves, more: false };
}

/** Reads the history back. Answers the oldest version that was read, the head's version plus 1 where none was; and bytes. */
async function follow(
  store: Store,
  id: string,
  head: Position,
  open: OpenLeaves<BlamedVersion>,
  pace: Pace,
): Promise<{ readonly oldest: number; readonly read: number }> {
  let oldest = 0;
  let bytes = 0;
  let versions = 0;
  let size = 16;
  for (let upTo = head.version; upTo > oldest && open.size > 0; ) {
    const after = Math.max(oldest, upTo - size);
    const read = await store.deltas(id, after, upTo - after, WINDOW_BYTES);
    if (read.kind === 'truncated') {
      oldest = read.oldest - 1;
      continue;
    }
    const records = read.records.filter(({ position }) => position.version <= upTo);
    const last = records.at(-1);
    // Merged away since the last read: what is not found yet is older than that.
    if (!last && read.records.length > 0) return { oldest: upTo + 1, read: bytes };
    if (!last || last.position.epoch !== head.epoch) throw notFound(id);
    if (last.position.version < upTo && size > 1) {
      size = Math.ceil(size / 4);
      continue;
    }
    if (upTo === head.version && !samePosition(last.position, head)) throw notFound(id);
    for (const record of records.toReversed()) {
      bytes += bytesOf([record]);
      await noteRecord(record, open, pace);
      upTo = record.merged?.base.version ?? record.position.version - 1;
      const enough = open.size === 0 || ++versions === VERSIONS_MAX;
      if (enough || bytes > PAST_BYTES_MAX || open.steps > STEPS_MAX) return { oldest: upTo + 1, read: bytes };
    }
    size = Math.min(2 * size, WINDOW_MAX);
  }
  return { oldest: oldest + 1, read: bytes };
}

async function noteRecord(record: LogRecord, open: OpenLeaves<BlamedVersion>, pace: Pace): Promise<void> {
  const { position, at, cause, provenance } = record;
  const by = { version: position.version, at, cause, provenance };
  const touches = await inSteps(touchesInSteps(record.changes), pace);
  for (let i = touches.length - 1; i >= 0; i--) {
    const before = open.steps;
    open.note(touches[i]!, by);
    const turn = pace.spend(STEP_COST * (1 + open.steps - before));
    if (turn !== undefined) await turn;
  }
  if (position.version === 1) open.closeAll(by);
}

/** The lines of a page, up to its size and bytes; `next`: where they end before the leaves do. */
function linesOf(leaves: readonly Leaf[], open: OpenLeaves<BlamedVersion>, size: number) {
  const lines: BlameLine[] = [];
  let bytes = 0;
  for (const [i, leaf] of leaves.entries()) {
    const part = partsOf(leaf);
    for (const run of open.runsOf(leaf)) {
      const line = lineOf(leaf, run, part);
      bytes += LINE_BYTES + pathLength(leaf.path) + weigh(line.value) + (run.by?.provenance?.length ?? 0);
      const full = lines.length === size || (bytes > PAGE_BYTES && lines.length > 0);
      if (full) return { lines, next: { leaf: i, element: run.index } };
      lines.push(line);
    }
  }
  return { lines, next: undefined };
}

type PartOf = (index: number, count: number) => Json;

function lineOf({ path, length }: Leaf, { index, count, by }: BlamedRun<BlamedVersion>, part: PartOf): BlameLine {
  const value = part(index, count);
  return length === 0 ? { path, value, by } : { path, run: { index, count }, value, by };
}

/** Parts of a leaf, which must be taken in order: a string is walked once. */
function partsOf({ value, length }: Leaf): PartOf {
  if (length === 0) return () => value;
  if (Array.isArray(value)) return (index, count) => value.slice(index, index + count);
  const text = value as string;
  if (text.length === length) return (index, count) => text.slice(index, index + count);
  let [point, unit] = [0, 0];
  const goTo = (wanted: number): number => {
    for (; point < wanted; point++) unit += (text.codePointAt(unit) as number) > 0xffff ? 2 : 1;
    return unit;
  };
  return (index, count) => text.slice(goTo(index), goTo(index + count));
}

function startOf(token: string, { epoch, version }: Position): Start {
  const found = /^(.*):(\d{1,15}):(\d{1,9}):(\d{1,9})$/s.exec(token);
  const start = found && { version: Number(found[2]), leaf: Number(found[3]), element: Number(found[4]) };
  if (!start || start.version < 1 || (found[1] === epoch && start.version > version)) {
    throw invalid('pageToken', 'does not belong to this list');
  }
  if (found[1] !== epoch) throw invalid('pageToken', 'is of an earlier life of the context');
  return start;
}
