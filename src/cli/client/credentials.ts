/**
 * The token of a client command: from a file or the environment, not from an argument, which other users of the machine
 * could read.
 */
import { readFileSync } from 'node:fs';
import { Metadata } from '@grpc/grpc-js';
import { Usage } from '../errors.js';
import type { ConnectionOptions } from './connection.js';

/** Read at each call: a watch that reconnects after days sends the current token. @throws Usage */
export function metadataOf({ tokenFile }: ConnectionOptions): Metadata {
  const metadata = new Metadata();
  const token = tokenFile === undefined ? process.env.CHORD_TOKEN?.trim() : read(tokenFile);
  if (!token) return metadata;
  if (/[^\x21-\x7e]/.test(token)) {
    throw new Usage(
      `${tokenFile ?? 'CHORD_TOKEN'} holds more than a token: it is one word of letters, digits and signs`,
    );
  }
  metadata.set('authorization', `Bearer ${token}`);
  return metadata;
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch (error) {
    throw new Usage(`--token-file: cannot read ${path}: ${(error as Error).message}`);
  }
}
