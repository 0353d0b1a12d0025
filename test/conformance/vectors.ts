/** The scenarios that need no server: test/vectors/*.json through each client's own code. */
import { readFileSync } from 'node:fs';
import { decodeStruct } from '../../src/codec/struct.js';
import type { ApplyVector } from '../vectors/apply.js';
import type { ErrorVector } from '../vectors/errors.js';
import type { TrackVector } from '../vectors/track.js';
import type { ValueVector } from '../vectors/values.js';
import type { Driver } from './driver.js';
import { check, failure, like, same } from './expect.js';
import type { Scenario } from './scenario.js';

function read<T>(name: string): T[] {
  return JSON.parse(readFileSync(new URL(`../vectors/${name}.json`, import.meta.url), 'utf8'));
}

export const vectors: Readonly<Record<string, Scenario>> = {
  async 'vectors: values'({ driver }) {
    for (const { name, wire, value, decodeOnly } of read<ValueVector>('values')) {
      same((await driver.call('decode', { wire })).value, value, `decode ${name}`);
      if (decodeOnly) continue;
      const encoded = await driver.call('encode', { value });
      same(decodeStruct(Buffer.from(encoded.wire, 'base64')), value, `encode ${name}`);
    }
  },
  'vectors: deltas': ({ driver }) => applied(driver, (name) => !isMerged(name)),
  'vectors: merged deltas': ({ driver }) => applied(driver, isMerged),

  async 'vectors: errors'({ driver }) {
    for (const { name, code, message, details, error, transient } of read<ErrorVector>('errors')) {
      const answer = await driver.call('error', { code, message, details });
      like(answer, { error, transient }, name);
      check(
        error.current !== undefined || answer.error.current === undefined,
        `${name}: current must be left out, not null`,
      );
      check((error.unmet === undefined) === !answer.error.unmet, `${name}: unmet`);
      check(error.unmet?.sinceReason !== undefined || !answer.error.unmet?.sinceReason, `${name}: sinceReason`);
      error.unmet?.conditions.forEach(({ touchedAt, check: test }, i) => {
        const got = answer.error.unmet.conditions[i];
        check((touchedAt ?? null) === (got.touchedAt ?? null) && (test === undefined) === !got.check, `${name}: cause`);
      });
    }
  },

  async 'vectors: watch streams'({ driver }) {
    for (const { name, targets, known, knownBytesMax, steps } of read<TrackVector>('track')) {
      const sent = steps.map(({ response }) => (response === undefined ? { connect: true } : { response }));
      const answer = await driver.call('track', { targets, known, knownBytesMax, steps: sent });
      steps.forEach(({ response: _, connect: __, ...expected }, i) => {
        like(answer.steps[i], expected, `${name}, step ${i}`);
        const more = (events: readonly object[] = []) => events.map((event) => 'more' in event && event.more === true);
        same(more(answer.steps[i].events), more(expected.events), `${name}, step ${i}: more`);
        check(Boolean(answer.steps[i].gap) === Boolean(expected.gap), `${name}, step ${i}: gap`);
      });
    }
  },
};

function isMerged(name: string): boolean {
  return name.startsWith('merged: ') || name.startsWith('and back: ');
}

async function applied(driver: Driver, wanted: (name: string) => boolean): Promise<void> {
  for (const { name, document, wire, value } of read<ApplyVector>('apply')) {
    if (!wanted(name)) continue;
    const call = driver.call('apply', { document, wire });
    if (value) same((await call).value, value, name);
    else same((await failure(call, name)).reason, 'DELTA_MISMATCH', name);
  }
}
