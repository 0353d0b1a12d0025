/** The document of most benchmarks: a chat room of 50 participants and 20 messages, some 12 KB as JSON. */
import type { JsonObject } from '../src/model/model.js';

export const PARTICIPANTS = 50;
const MESSAGES = 20;
const STATUSES = ['online', 'away', 'busy', 'offline'];

export function chatRoom(name = 'Daily standup'): JsonObject {
  return {
    metadata: {
      name,
      topic: 'What did we do yesterday, what do we do today, and what is in the way?',
      created_at: '2026-01-05T08:00:00.000Z',
      settings: { max_participants: 100, retention_days: 30, locale: 'en', read_only: false },
      tags: ['team', 'daily', 'engineering'],
    },
    participants: Object.fromEntries(numbered(PARTICIPANTS).map((n) => [`user_${n}`, participant(n)])),
    messages: numbered(MESSAGES).map(message),
  };
}

/** Changes of one field, as UpdateContext takes them: no two with neighbouring numbers are the same. */
export function statusUpdate(n: number): JsonObject {
  return fieldUpdate(n, statusOf(n));
}

export function fieldUpdate(n: number, status: string): JsonObject {
  return { participants: { [`user_${n % PARTICIPANTS}`]: { status } } };
}

export function statusOf(n: number): string {
  return `${STATUSES[n % STATUSES.length]} ${n % 1000}`;
}

const ITEM_TITLE = 'with a line of text so long that a large document has not too many of them, as in real life';
const ITEM_BYTES = 165;

/** A document of about so many bytes of JSON, with the field that `counterUpdate` changes; that of 1 MB has 18,000 members. */
export function documentOf(bytes: number): JsonObject {
  const items = Math.max(0, Math.round((bytes - 60) / ITEM_BYTES));
  const title = (n: number) => `the item with number ${n}, ${ITEM_TITLE}`;
  const list = numbered(items).map((n) => [`item_${n}`, { title: title(n), done: n % 2 === 0 }]);
  return { counter: 'value 0', items: Object.fromEntries(list) };
}

export function counterUpdate(n: number): JsonObject {
  return { counter: `value ${n % 1000}` };
}

function participant(n: number): JsonObject {
  return {
    id: `5f0c9a7e-3b1d-4c2a-9e8f-${String(n).padStart(12, '0')}`,
    name: `Participant Number ${n}`,
    status: STATUSES[n % STATUSES.length] as string,
    typing: n % 7 === 0,
    last_seen: 1_767_600_000_000 + n * 1000,
    role: n === 0 ? 'moderator' : 'member',
  };
}

function message(n: number): JsonObject {
  return {
    id: `msg_${n}`,
    author: `user_${(n * 7) % PARTICIPANTS}`,
    text: `Message ${n}: the build is green again, and the review of the change that we spoke of is on its way.`,
    sent_at: 1_767_600_000_000 + n * 5000,
  };
}

function numbered(count: number): number[] {
  return Array.from({ length: count }, (_, n) => n);
}
