/** Section A: what can be sent before anyone has shown who they are. */
import { readFileSync } from 'node:fs';
import { connect as dial, type Socket } from 'node:net';
import { join } from 'node:path';
import { GET, getRequest, SET, WATCH } from '../requests.js';
import { Attacker, ended, frame, tally } from './attacker.js';
import { each, MB, MESSAGE_MAX, METHODS, numbered } from './documents.js';
import type { Row, Scene } from './run.js';

/** One field of text, the first of most requests: 4 MiB that pack to 4 KB. */
function longText(last = ''): Uint8Array {
  const text = Buffer.alloc(MESSAGE_MAX - 100, 'a');
  text.write(last, text.length - last.length);
  return field(text);
}

/** The first field of a message. */
function field(content: Buffer): Uint8Array {
  const length: number[] = [];
  for (let rest = content.length; ; rest >>>= 7) {
    if (rest < 128) {
      length.push(rest);
      break;
    }
    length.push((rest & 127) | 128);
  }
  return Buffer.concat([Buffer.of(0x0a, ...length), content]);
}

/** Two million subscriptions with nothing in them: as many as a message holds. */
const SUBSCRIPTIONS = Buffer.alloc(MESSAGE_MAX, Buffer.of(0x0a, 0));

const PREFACE = Buffer.concat([Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), Buffer.of(0, 0, 0, 4, 0, 0, 0, 0, 0)]);

export const strangers: readonly Row[] = [
  {
    name: 'a1-gzip',
    what: 'a stranger: 100 sets of 4 KB that unpack to 4 MiB',
    attack: (scene) => packed(scene.as()),
  },
  {
    name: 'a1-gzip-known',
    what: 'the same from a caller that is known',
    attack: (scene) => packed(scene.as('eve')),
  },
  {
    name: 'a1-bomb',
    what: 'a stranger: 20 sets of 260 KB that would unpack to 256 MiB',
    async attack(scene) {
      const body = frame(Buffer.alloc(256 * 2 ** 20), true);
      const stranger = scene.as();
      await scene.begin();
      return tally(await Promise.all(numbered(20).map(() => stranger.send(SET, body, { gzip: true }))));
    },
  },
  {
    name: 'a1-watch',
    what: 'a stranger: one packed watch of 2,000,000 empty subscriptions',
    async attack(scene) {
      return tally([await scene.as().call(WATCH, SUBSCRIPTIONS, { gzip: true })]);
    },
  },
  {
    name: 'a1-watch-known',
    what: 'the same from a caller that is known',
    async attack(scene) {
      return tally([await scene.as('eve').call(WATCH, SUBSCRIPTIONS, { gzip: true })]);
    },
  },
  {
    name: 'a1-watch-12',
    what: 'a stranger: twelve such watches as calls that stay open, 49 KB; heap of 1 GiB',
    heap: 1024,
    attack: (scene) => unended(scene, 12, 12, WATCH, frame(SUBSCRIPTIONS, true), true),
  },
  {
    name: 'a1-half',
    what: 'a stranger: 200 calls of 4.9 MB each that do not end',
    attack: (scene) => {
      const whole = frame(longText());
      const part = frame(longText()).subarray(0, 4.9 * MB - whole.length);
      return unended(scene, 200, 20, SET, Buffer.concat([whole, part]));
    },
  },
  {
    name: 'a1-part',
    what: 'a stranger: 200 calls of 4 MB each whose message does not end',
    attack: (scene) => unended(scene, 200, 20, SET, frame(longText()).subarray(0, 4 * MB)),
  },
  {
    name: 'a1-idle',
    what: 'a stranger: 5,000 calls of which nothing but the headers comes, for 20 s',
    attack: (scene) => unended(scene, 5000, 500, GET, undefined, false, 20_000),
  },
  {
    name: 'a2-health',
    what: 'a stranger: 200 packed Health.Watch of names of 4 MiB, opened and closed',
    async attack(scene) {
      const bodies = numbered(200).map((n) => frame(longText(`-${n}`), true));
      await scene.begin();
      return opened(scene, bodies, true);
    },
  },
  {
    name: 'a2-names',
    what: 'a stranger: 20,000 Health.Watch of other names of 500 bytes, opened and closed',
    attack: (scene) =>
      opened(
        scene,
        numbered(20_000).map((n) => frame(field(Buffer.from(`${n}-`.padEnd(500, 'x'))))),
      ),
  },
  {
    name: 'a2-open',
    what: 'a stranger: 9,000 Health.Watch on 9 connections that stay open',
    attack: (scene) => unended(scene, 9000, 1000, METHODS.healthWatch, frame(Buffer.alloc(0))),
  },
  {
    name: 'a2-check',
    what: 'a stranger: 200 packed Health.Check of names of 4 MiB',
    async attack(scene) {
      const bodies = numbered(200).map((n) => frame(longText(`-${n}`), true));
      const stranger = scene.as();
      await scene.begin();
      return tally(await Promise.all(bodies.map((body) => stranger.send(METHODS.healthCheck, body, { gzip: true }))));
    },
  },
  {
    name: 'a3-silent',
    what: 'a stranger: 10,050 connections that say nothing; then a known caller calls',
    attack: (scene) => shutOut(scene, Buffer.alloc(0)),
  },
  {
    name: 'a3-greeted',
    what: 'the same with connections that greet, and then say nothing',
    attack: (scene) => shutOut(scene, PREFACE),
  },
  {
    name: 'a4-audit',
    what: 'a stranger: 400 calls with nonsense tokens; then a tenant tries 10 ids that it may not read',
    chord: (scratch) => ['--audit-log', join(scratch, 'audit')],
    async attack({ address, scratch, as }) {
      const nonsense = numbered(400).map((n) => new Attacker(address, `nonsense-${n}`.padEnd(43, 'x')));
      const bob = as('bob');
      await Promise.all(nonsense.map((each) => each.call(GET, getRequest('secret'))));
      const answers = await Promise.all(numbered(10).map((n) => bob.call(GET, getRequest(`secret/${n}`))));
      for (const each of nonsense) each.close();
      // Lines are written a moment later.
      await new Promise((resolve) => setTimeout(resolve, 3000));
      const lines = readFileSync(join(scratch, 'audit'), 'utf8').split('\n');
      const noted = lines.filter((line) => line.includes('"bob"') && line.includes('secret/')).length;
      const denied = answers.filter(({ code }) => code === 'PERMISSION_DENIED').length;
      return `${denied} denied, ${noted} of them in the audit log, which has ${lines.length - 1} lines`;
    },
  },
];

/** 100 sets on one connection. */
async function packed(attacker: Attacker): Promise<string> {
  const message = longText();
  return tally(await Promise.all(numbered(100).map(() => attacker.call(SET, message, { gzip: true }))));
}

/** Calls that are begun and not ended, so many on a connection, and what became of them after a while. */
async function unended(
  scene: Scene,
  count: number,
  onEach: number,
  path: string,
  body?: Buffer,
  gzip = false,
  wait = 3000,
): Promise<string> {
  const codes = new Map<string, number>();
  for (let n = 0; n < count; n += onEach) {
    const stranger = scene.as();
    for (let k = n; k < Math.min(count, n + onEach); k++) {
      const stream = stranger.open(path, gzip);
      const end = ended(stream).then(({ code }) => codes.set(code, (codes.get(code) ?? 0) + 1));
      if (body) await Promise.race([end, new Promise((resolve) => stream.write(body, resolve))]);
    }
  }
  await new Promise((resolve) => setTimeout(resolve, wait));
  const over = [...codes].map(([code, many]) => `, ${many} x ${code}`).join('');
  const open = count - [...codes.values()].reduce((sum, many) => sum + many, 0);
  return `${open} of ${count} still open after ${wait / 1000} s${over}`;
}

/** Watches of health that are closed as soon as something has come, ten at a time, and so few on a connection that they are no flood of resets. */
async function opened({ as }: Scene, bodies: readonly Buffer[], gzip = false): Promise<string> {
  let told = 0;
  const refused = new Set<string>();
  let stranger = as();
  await each(bodies.length, 10, async (n) => {
    if (n % 200 === 199) stranger = as();
    const stream = stranger.open(METHODS.healthWatch, gzip);
    const end = ended(stream);
    stream.end(bodies[n]);
    stream.once('data', () => {
      told++;
      stream.close(8);
    });
    const { code } = await end;
    if (code !== 'CUT OFF') refused.add(code);
  });
  return `${told} of ${bodies.length} told${refused.size > 0 ? `, else ${[...refused].join(', ')}` : ''}`;
}

/** How long a caller that is known gets no connection beside more silent ones than there may be. */
async function shutOut({ address, as }: Scene, greeting: Buffer): Promise<string> {
  const colon = address.lastIndexOf(':');
  const sockets: Socket[] = [];
  let closed = 0;
  await each(10_050, 100, async () => {
    const socket = dial(Number(address.slice(colon + 1)), address.slice(0, colon));
    sockets.push(socket);
    socket.on('close', () => closed++).on('error', () => {});
    await new Promise((resolve) => socket.once('connect', resolve).once('close', resolve));
    socket.write(greeting);
  });
  const begin = performance.now();
  const seconds = () => ((performance.now() - begin) / 1000).toFixed(1);
  try {
    while (performance.now() - begin < 45_000) {
      const newcomer = as('eve');
      const { code } = await newcomer.call(GET, getRequest('tiny'));
      newcomer.close();
      if (code === 'OK') return `the newcomer got in after ${seconds()} s, ${closed} connections had been ended`;
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
    return `the newcomer was shut out for ${seconds()} s, ${closed} connections had been ended`;
  } finally {
    for (const socket of sockets) socket.destroy();
  }
}
