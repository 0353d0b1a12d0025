/** A chat room: members come and go, type, write, edit and react; of the messages the last ones are kept. */
import type { JsonObject } from '../../src/model/model.js';
import type { Random } from './random.js';
import type { Story } from './story.js';

const NAMES = ['ann', 'bob', 'chloé', 'dmitri', 'eve', 'farid', 'grace', '花子', 'hiro', 'o/brien'];
const REACTIONS = ['👍', '🎉', '❤️', '😄'];
const MESSAGES_KEPT = 30;

interface Message extends JsonObject {
  id: number;
  from: string;
  text: string;
}

interface Member extends JsonObject {
  status: string;
  unread: number;
}

export function chatRoom(random: Random): Story {
  const members: Record<string, Member> = {};
  const typing: string[] = [];
  const messages: Message[] = [];
  const document: JsonObject = { topic: 'daily', members, typing, messages, pinned: null };
  let nextId = 1;

  const present = () => random.pick(Object.keys(members));
  const join = () => {
    const name = random.pick(NAMES);
    members[name] = { status: 'online', unread: 0 };
  };
  const leave = () => {
    const name = present();
    delete members[name];
    stopTyping(name);
  };
  const stopTyping = (name: string) => {
    const at = typing.indexOf(name);
    if (at >= 0) typing.splice(at, 1);
  };
  const write = () => {
    const from = present();
    stopTyping(from);
    messages.push({ id: nextId++, from, text: random.words(1 + random.below(14)) });
    if (messages.length > MESSAGES_KEPT) messages.shift();
    for (const [name, member] of Object.entries(members)) if (name !== from) member.unread++;
  };
  const editMessage = () => {
    if (messages.length === 0) return;
    const message = random.pick(messages);
    message.text = random.words(1 + random.below(14));
    message.edited = true;
  };
  const react = () => {
    if (messages.length === 0) return;
    const message = random.pick(messages);
    const reactions = (message.reactions ?? {}) as Record<string, string[]>;
    const key = random.pick(REACTIONS);
    const by = reactions[key] ?? [];
    const name = present();
    if (by.includes(name)) by.splice(by.indexOf(name), 1);
    else by.push(name);
    if (by.length > 0) reactions[key] = by;
    else delete reactions[key];
    message.reactions = reactions;
  };
  const type = () => {
    const name = present();
    if (!typing.includes(name)) typing.push(name);
    else stopTyping(name);
  };
  const read = () => {
    const member = members[present()]!;
    member.unread = 0;
    member.status = random.pick(['online', 'away', 'busy']);
    if (messages.length > 0) member.read = messages.at(-1)!.id;
  };
  const withdraw = () => {
    if (messages.length > 0) messages.splice(random.below(messages.length), 1);
  };
  const arrange = () => {
    document.topic = random.words(2);
    document.pinned = messages.length > 0 && random.chance(0.7) ? random.pick(messages).id : null;
  };

  join();
  return {
    document,
    step() {
      if (Object.keys(members).length < 2) join();
      else {
        const act = random.weighted([
          [30, write],
          [20, type],
          [18, read],
          [12, react],
          [8, join],
          [4, leave],
          [4, editMessage],
          [2, withdraw],
          [2, arrange],
        ]);
        act();
      }
      return 1 + random.below(40);
    },
  };
}
