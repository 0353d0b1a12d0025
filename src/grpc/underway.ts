/**
 * Bounds the memory of requests under way, counted in decompressed bytes as sent: a decoded request takes about ten
 * times as much. Over the bound, new requests of every caller are refused before any work; a request that is alone
 * always passes. Streams have limits of their own, and their requests are small.
 */
import { ChordError } from '../model/errors.js';
import type { Middleware } from './call.js';

/** The share of the bound that one connection may hold, so that it cannot keep all others out. */
const CONNECTION_PART = 1 / 4;
/** Milliseconds. */
const RETRY_AFTER = 1000;
/** Stands for an unknown connection. */
const ANY = {};

/** Runs after decoding. @param bytesMax in all calls under way */
export function boundUnderWay(bytesMax: number): Middleware {
  let underWay = 0;
  const connections = new WeakMap<object, number>();
  const fits = (before: number, bytes: number, max: number) => before === 0 || before + bytes <= max;
  return {
    enter({ requestBytes: bytes, connection = ANY, method }) {
      if (method.streams) return;
      const held = connections.get(connection) ?? 0;
      if (!fits(underWay, bytes, bytesMax) || !fits(held, bytes, bytesMax * CONNECTION_PART)) {
        const message = `too many bytes of requests are under way: at most ${bytesMax}, and a quarter of it on a connection`;
        throw new ChordError('RESOURCE_EXHAUSTED', message, { retryAfter: RETRY_AFTER });
      }
      underWay += bytes;
      connections.set(connection, held + bytes);
    },
    leave({ requestBytes: bytes, connection = ANY, method }) {
      if (method.streams) return;
      underWay -= bytes;
      connections.set(connection, (connections.get(connection) ?? 0) - bytes);
    },
  };
}
