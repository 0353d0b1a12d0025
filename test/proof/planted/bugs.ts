/**
 * Bugs to plant: each a change of one place in a copy of the product, which breaks one promise. A suite that catches none
 * proves nothing; so each must be caught by one of the tools, and the run says by which.
 */

/** What may catch a bug, in the order in which it is tried. */
export type Detector = 'simulator' | 'random model' | 'laws of stores' | 'direct tests' | 'crash images' | 'kills';

export interface Bug {
  readonly name: string;
  /** The promise in docs/guarantees.md. */
  readonly breaks: string;
  readonly file: string;
  /** Occurs once in the file. */
  readonly find: string;
  readonly replace: string;
  /** Tried first. */
  readonly by: Detector;
}

/** The source with the bug in it. */
export function planted({ file, find, replace }: Bug, source: string): string {
  if (source.split(find).length !== 2) throw new Error(`${file} does not have this exactly once: ${find}`);
  return source.replace(find, () => replace);
}

export const BUGS: readonly Bug[] = [
  {
    name: 'the fsync is skipped',
    breaks: 'W2',
    file: 'src/store/lmdb/schema.ts',
    find: '      noSync,\n',
    replace: '      noSync: true,\n',
    by: 'crash images',
  },
  {
    name: 'a write is answered before its transaction is durable',
    breaks: 'W2',
    file: 'src/store/lmdb/group-commit.ts',
    find: '    try {\n      await durable;\n',
    replace:
      '    for (const { resolve, value, failure } of waiting) if (failure === undefined) resolve(value);\n    try {\n      await durable;\n',
    by: 'crash images',
  },
  {
    name: 'a lane answers before the commit is durable',
    breaks: 'R1',
    file: 'src/contexts/lane/lane.ts',
    find: '    if (stored) {\n      stored.then(',
    replace: '    if (stored) {\n      if (!removal) task.resolve(task.effect?.answer as never);\n      stored.then(',
    by: 'simulator',
  },
  {
    name: 'one event in twenty is dropped',
    breaks: 'S2',
    file: 'src/watch/hub.ts',
    find: '      const sets = this.#setsOf(event.id);\n',
    replace:
      "      if (event.kind === 'delta' && event.delta.to.version % 20 === 3) return;\n      const sets = this.#setsOf(event.id);\n",
    by: 'simulator',
  },
  {
    name: 'an event is sent twice',
    breaks: 'S1',
    file: 'src/watch/watcher.ts',
    find: '          this.#sendNow(sent);\n',
    replace: '          this.#sendNow(sent);\n          if (delta.to.version % 5 === 0) this.#sendNow(sent);\n',
    by: 'simulator',
  },
  {
    name: 'a version is used twice',
    breaks: 'W1',
    file: 'src/contexts/position.ts',
    find: 'version: from.version + 1, digest',
    replace: 'version: from.version % 7 === 6 ? from.version : from.version + 1, digest',
    by: 'simulator',
  },
  {
    name: 'a trim takes records that the snapshot does not cover',
    breaks: 'C1',
    file: 'src/store/lmdb/writes.ts',
    find: 'Math.min(version, covered)',
    replace: 'Math.max(0, Math.min(version, covered + 1))',
    by: 'laws of stores',
  },
  {
    name: 'the mark that more belongs to a batch is left out',
    breaks: 'W9',
    file: 'src/watch/watcher.ts',
    find: 'this.sink.send(event, i < events.length - 1)',
    replace: 'this.sink.send(event, false)',
    by: 'simulator',
  },
  {
    name: 'a request id is not stored with a set or an update',
    breaks: 'W5',
    file: 'src/contexts/writes/writes.ts',
    find: '    ...(snapshot && { snapshot }),\n    ...request(asked, answer, clock),\n',
    replace: '    ...(snapshot && { snapshot }),\n',
    by: 'simulator',
  },
  {
    name: 'a request id is not stored with a delete that finds nothing',
    breaks: 'W5',
    file: 'src/contexts/writes/writes.ts',
    find: '  if (!tip && !named.request) return { head: null, answer };\n',
    replace: '  if (!tip) return { head: null, answer };\n',
    by: 'simulator',
  },
  {
    name: 'a context that was idle is removed though a touch has given it a time to live',
    breaks: 'C2',
    file: 'src/store/retention-index.ts',
    find: '(head.expiry !== undefined || usedAt(head) > used)',
    replace: 'usedAt(head) > used',
    by: 'laws of stores',
  },
  {
    name: 'request ids are forgotten at each sweep',
    breaks: 'W5',
    file: 'src/cleanup/sweeper.ts',
    find: 'Math.max(0, startedAt - rules.requestTtl)',
    replace: 'startedAt',
    by: 'simulator',
  },
  {
    name: 'an expected position of an earlier life is accepted',
    breaks: 'W4',
    file: 'src/contexts/writes/conditions.ts',
    find: "  if (position.epoch !== '' && position.epoch !== epoch) return false;\n  return position.version === version && (position.digest === '' || position.digest === digest);\n",
    replace: '  return position.version === version;\n',
    by: 'simulator',
  },
  {
    name: 'an expected position may be one version behind',
    breaks: 'W4',
    file: 'src/contexts/writes/conditions.ts',
    find: "(tip ? isAt(expected, tip.position) : expected.kind === 'absent')",
    replace:
      "(tip ? isAt(expected, tip.position) || isAt(expected, { ...tip.position, version: tip.position.version - 1 }) : expected.kind === 'absent')",
    by: 'simulator',
  },
  {
    name: 'a write that failed is not taken back from the document',
    breaks: 'W7',
    file: 'src/contexts/lane/state.ts',
    find: 'this.content.undo((delta as DeltaView).payload)',
    replace: 'void (delta as DeltaView).payload',
    by: 'simulator',
  },
  {
    name: 'a write of which the outcome is not known is evaluated again',
    breaks: 'W5',
    file: 'src/contexts/lane/pending-write.ts',
    find: '    else if (failure !== undefined && (effect?.commit || effect?.removal)) task.reject(task.failure ?? failure);\n',
    replace: '',
    by: 'simulator',
  },
  {
    name: 'a position of an earlier life counts as one of this life',
    breaks: 'R2',
    file: 'src/contexts/sync/decision.ts',
    find: "  if (known.epoch !== '' && known.epoch !== head.epoch) return { kind: 'full', reason: 'epoch_changed' };\n",
    replace: '',
    by: 'simulator',
  },
  {
    name: 'a read from another server is not checked against the store',
    breaks: 'R1',
    file: 'src/contexts/service.ts',
    find: '    if (this.#shared) await lane.refresh();\n    else if (!lane.known)',
    replace: '    if (!lane.known)',
    by: 'simulator',
  },
  {
    name: 'a gap is not looked into',
    breaks: 'S6',
    file: 'src/watch/watcher.ts',
    find: "    if (event.kind === 'gap') return void this.#checkAll();\n",
    replace: "    if (event.kind === 'gap') return;\n",
    by: 'simulator',
  },
  {
    name: 'a heartbeat vouches for what is still owed',
    breaks: 'S2',
    file: 'src/watch/heartbeats.ts',
    find: 'knows && this.listing === 0 && this.#owed.size === 0',
    replace: 'knows',
    by: 'simulator',
  },
  {
    name: 'a watch subscribes after it has read',
    breaks: 'S2',
    file: 'src/watch/watcher.ts',
    find: '    await Promise.all([\n      ...asked.map',
    replace: '    await new Promise((resolve) => setTimeout(resolve, 30));\n    void Promise.all([\n      ...asked.map',
    by: 'simulator',
  },
  {
    name: 'a batch writes without the lane lock',
    breaks: 'W9',
    file: 'src/contexts/lane/lane.ts',
    find: '      if (this.#inFlight.length > 0) return;\n      this.#waiting.shift();\n',
    replace: '      this.#waiting.shift();\n',
    by: 'simulator',
  },
  {
    name: 'a batch is published event by event',
    breaks: 'W9',
    file: 'src/contexts/writes/batch-commit.ts',
    find: "    if (heard.length > 0) publish({ kind: 'batch', events: heard });\n",
    replace: '    for (const event of heard) publish(event);\n',
    by: 'simulator',
  },
  {
    name: 'a snapshot is of the document before the write',
    breaks: 'C1',
    file: 'src/contexts/writes/writes.ts',
    find: `    const evaluated = evaluate(document, what, before, budget, members, asked.guard, asked.within);
    if (evaluated) {
      const stores = evaluated.changed || !view.tip;
      const due = stores && snapshotOf(view, evaluated, budget);
      const whole = due || (stores && asked.returning?.context) ? encodeStruct(document) : undefined;
      return effectOf(view, asked, clock, begun, evaluated, due ? whole : undefined, whole);
`,
    replace: `    const early = encodeStruct(document);
    const evaluated = evaluate(document, what, before, budget, members, asked.guard, asked.within);
    if (evaluated) {
      const stores = evaluated.changed || !view.tip;
      const due = stores && snapshotOf(view, evaluated, budget);
      const whole = stores && asked.returning?.context ? encodeStruct(document) : undefined;
      return effectOf(view, asked, clock, begun, evaluated, due ? early : undefined, whole);
`,
    by: 'random model',
  },
  {
    name: 'a context that was touched since expires',
    breaks: 'C2',
    file: 'src/store/lmdb/writes.ts',
    find: 'return stands && !renewed ? null',
    replace: 'return stands ? null',
    by: 'laws of stores',
  },
  {
    name: 'a batch checks only its first context',
    breaks: 'W9',
    file: 'src/store/lmdb/writes.ts',
    find: '    const refusal = batchRefusal(operations, refusals);\n',
    replace: '    const refusal = batchRefusal(operations.slice(0, 1), refusals.slice(0, 1));\n',
    by: 'laws of stores',
  },
  {
    name: 'a renewed member keeps its old time',
    breaks: 'E3',
    file: 'src/contexts/writes/members.ts',
    find: '    const at = ttl === before.ttl ? Math.max(before.at, this.now + ttl) : this.now + ttl;\n',
    replace: '    const at = before.at;\n',
    by: 'simulator',
  },
  {
    name: 'a member that was set without a time keeps its old one',
    breaks: 'E4',
    file: 'src/contexts/writes/members.ts',
    find: 'for (const member of this.members.atOrBelow(path)) this.#end(member);',
    replace:
      'for (const member of this.members.atOrBelow(path)) if (member.path.length > path.length) this.#end(member);',
    by: 'simulator',
  },
  {
    name: 'a read shows what has expired and was not removed yet',
    breaks: 'E2',
    file: 'src/contexts/service.ts',
    find: 'return head?.members !== undefined && !this.isGone(head) && membersDue(head, this.#now());',
    replace: 'return false;',
    by: 'direct tests',
  },
  {
    name: 'a guard of paths passes over what touched them',
    breaks: 'W10',
    file: 'src/contexts/writes/guard.ts',
    find: '    return touched.length > 0 ? touched : undefined;\n',
    replace: '    return touched.length > 1 ? touched : undefined;\n',
    by: 'simulator',
  },
  {
    name: 'a place is not carried behind an insertion',
    breaks: 'W11',
    file: 'src/contexts/writes/touch-tree.ts',
    find: '  place.index += inserted - removed;\n',
    replace: '  place.index -= removed;\n',
    by: 'simulator',
  },
  {
    name: 'a wait does not look again at what came while it looked',
    breaks: 'W13',
    file: 'src/watch/waiter.ts',
    find: '        if (this.#dirty && !this.#closed) this.#look();\n',
    replace: '',
    by: 'simulator',
  },
  {
    name: 'a version that was merged away reads as the next one',
    breaks: 'R5',
    file: 'src/contexts/sync/point-in-time.ts',
    find: '    if (at === after && first.position.version > after + 1) throw mergedAway(id, after + 1, first);\n',
    replace: '',
    by: 'simulator',
  },
  {
    name: 'a lane goes on without reading after a conflict',
    breaks: 'W1',
    file: 'src/contexts/lane/lane.ts',
    find: 'await this.#state.catchUp(taken.length > 0);',
    replace: 'if (!taken.some(isConflict)) await this.#state.catchUp(taken.length > 0);',
    by: 'simulator',
  },
  {
    name: 'a clock that was set back is not followed',
    breaks: 'S2',
    file: 'src/cleanup/sweeper.ts',
    find: '    if (now < this.#seenAt - SET_BACK_MIN) this.#parts.onClockSetBack();\n',
    replace: '',
    by: 'direct tests',
  },
  {
    name: 'a commit of another server is passed over while a write is in flight',
    breaks: 'S2',
    file: 'src/contexts/lane/lane.ts',
    find: 'return delta.to.version > (this.durable?.position.version ?? 0) ? this.distrust() : undefined;',
    replace: 'return undefined;',
    by: 'direct tests',
  },
  {
    name: 'a heartbeat vouches for what a list finds behind it',
    breaks: 'S2',
    file: 'src/watch/heartbeats.ts',
    find: 'known && knows() && this.listing === 0 ? moment',
    replace: 'known ? moment',
    by: 'direct tests',
  },
  {
    name: 'a commit ignores the turn of another server',
    breaks: 'turns, redis.md',
    file: 'src/store/redis/scripts/contexts.ts',
    find: "if turn and isOthers(turn, arg.nonce) then return {'conflict', head} end\n",
    replace: '',
    by: 'direct tests',
  },
  {
    name: 'a turn that a server did not end never ends',
    breaks: 'turns, redis.md',
    file: 'src/store/redis/scripts/contexts.ts',
    find: 'return left > 0 and left <= 2000',
    replace: 'return true',
    by: 'direct tests',
  },
  {
    name: 'a text is measured in code units in place of code points',
    breaks: 'W1',
    file: 'src/delta/text.ts',
    find: 'if (isHigh(text.charCodeAt(i))) points--;',
    replace: 'if (text.length > 4 && isHigh(text.charCodeAt(i))) points--;',
    by: 'simulator',
  },
];
