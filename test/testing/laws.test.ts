/** The laws have teeth: each of these defects, in stores that are right but for it, is found by one of them at least. */
import test from 'ava';
import { openMemory } from '../../src/store/memory.js';
import type { Store } from '../../src/store/store.js';
import type { Law } from '../../src/testing/law.js';
import { type ProviderSubject, providerLaws } from '../../src/testing/provider.js';
import { storeLaws } from '../../src/testing/store.js';
import type { StoreSubject } from '../../src/testing/store-subject.js';
import type { Provider, SavedContext } from '../../src/transfer/export-provider.js';

const RANDOM = storeLaws.filter(({ name }) => name.startsWith('random'));
const NAMED = storeLaws.filter((law) => !RANDOM.includes(law));

/** The first law that does not hold. */
async function broken<S>(laws: readonly Law<S>[], make: () => Promise<S>): Promise<string | undefined> {
  for (const { name, run } of laws) {
    const holds = await run(make).then(
      () => true,
      () => false,
    );
    if (!holds) return name;
  }
  return undefined;
}

/** An object whose members stand before those of another one. */
function override<T extends object>(right: T, wrong: Partial<T>): T {
  return new Proxy(right, {
    get: (_, name) => {
      const own = Object.hasOwn(wrong, name) ? wrong : right;
      const member = Reflect.get(own, name, own);
      return typeof member === 'function' ? member.bind(own) : member;
    },
  });
}

const STORE_DEFECTS: Readonly<Record<string, (right: Store) => Partial<Store>>> = {
  'writes whatever is expected': (right) => ({
    commit: async (commit) => right.commit({ ...commit, expected: (await right.head(commit.id))?.position ?? null }),
  }),
  'does not compare digests': (right) => ({
    commit: async (commit) => {
      const digest = (await right.head(commit.id))?.position.digest ?? '';
      return right.commit({ ...commit, expected: commit.expected && { ...commit.expected, digest } });
    },
  }),
  'lets some commits overtake others': (right) => ({
    commit: async (commit) => {
      if (commit.head.position.version % 2 === 0) await new Promise(setImmediate);
      return right.commit(commit);
    },
  }),
  'forgets requests': (right) => ({
    commit: ({ request: _, ...commit }) => right.commit(commit),
  }),
  'removes what was renewed': (right) => ({
    remove: ({ expiry: _, usedAt: __, ...removal }) => right.remove(removal),
  }),
  'has holes in its history': (right) => ({
    deltas: async (...args) => {
      const history = await right.deltas(...args);
      if (history.kind === 'truncated') return history;
      return { ...history, records: history.records.filter((_, i) => i !== 3) };
    },
  }),
  'answers more than was asked for': (right) => ({ deltas: (id, after, limit) => right.deltas(id, after, limit) }),
  'does not trim': () => ({ trim: async () => 0 }),
  'lists in the order of JavaScript': (right) => ({
    list: async (prefix, after, limit) => {
      const { heads } = await right.list(prefix, undefined, 1_000);
      const sorted = heads
        .toSorted((a, b) => (a.id < b.id ? -1 : 1))
        .filter(({ id }) => after === undefined || id > after);
      const page = sorted.slice(0, limit);
      return sorted.length > limit ? { heads: page, next: page.at(-1)!.id } : { heads: page };
    },
  }),
  'finds what is due again on each page': (right) => ({ due: (index, upTo, limit) => right.due(index, upTo, limit) }),
  'serves on when it is closed': () => ({ close: async () => {} }),
};

for (const [title, defect] of Object.entries(STORE_DEFECTS)) {
  const make = async (): Promise<StoreSubject> => {
    const store = openMemory();
    return { store: override(store, defect(store)), destroy: () => store.close() };
  };
  test(`a store that ${title}`, async (t) => {
    t.truthy(await broken(NAMED, make));
  });
}

test('a store that loses everything when it is opened again', async (t) => {
  const make = async (): Promise<StoreSubject> => ({
    store: openMemory(),
    reopen: async () => openMemory(),
    destroy: async () => {},
  });
  t.truthy(await broken(NAMED, make));
});

test('the random commands alone find much of it, too', async (t) => {
  for (const title of ['does not compare digests', 'forgets requests', 'does not trim']) {
    const make = async (): Promise<StoreSubject> => {
      const store = openMemory();
      return { store: override(store, STORE_DEFECTS[title]!(store)), destroy: () => store.close() };
    };
    t.truthy(await broken(RANDOM, make), title);
  }
});

/** The least that keeps the contract, but that it is gone with the process. */
function providerOf(saved: Map<string, SavedContext>): Provider {
  return {
    save: async (context) => void saved.set(context.id, context),
    load: async (id) => saved.get(id)?.text ?? null,
    list: async function* (prefix) {
      for (const id of [...saved.keys()]) if (id.startsWith(prefix)) yield id;
    },
    delete: async (id) => saved.delete(id),
    close: async () => {},
  };
}

const PROVIDER_DEFECTS: Readonly<
  Record<string, (right: Provider, saved: Map<string, SavedContext>) => Partial<Provider>>
> = {
  'writes its own JSON': (right) => ({
    save: (context, signal) => right.save({ ...context, text: JSON.stringify(JSON.parse(context.text)) }, signal),
  }),
  'keeps the first save': (_, saved) => ({
    save: async (context) => void (saved.has(context.id) || saved.set(context.id, context)),
  }),
  'does not look at the prefix': (right) => ({ list: (_, signal) => right.list('', signal) }),
  'says that it deleted what was not there': (right) => ({
    delete: (id, signal) => right.delete(id, signal).then(() => true),
  }),
  'takes ids for the same that differ in case': (right) => ({
    save: (context, signal) => right.save({ ...context, id: context.id.toLowerCase() }, signal),
    load: (id, signal) => right.load(id.toLowerCase(), signal),
  }),
};

function providerSubject(saved: Map<string, SavedContext>, wrong: Partial<Provider> = {}): ProviderSubject {
  const provider = override(providerOf(saved), wrong);
  return { provider, reopen: async () => provider, destroy: async () => {} };
}

for (const [title, defect] of Object.entries(PROVIDER_DEFECTS)) {
  test(`an external store that ${title}`, async (t) => {
    const make = async () => {
      const saved = new Map<string, SavedContext>();
      return providerSubject(saved, defect(providerOf(saved), saved));
    };
    t.truthy(await broken(providerLaws, make));
  });
}

test('what has none of these defects keeps all laws', async (t) => {
  t.is(await broken(providerLaws, async () => providerSubject(new Map())), undefined);
  const store = async () => {
    const right = openMemory();
    return { store: override(right, {}), destroy: () => right.close() };
  };
  t.is(await broken(storeLaws, store), undefined);
});
