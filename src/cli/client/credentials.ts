/** The token that a command shows: from a file or the environment, not from its arguments, which everybody can list. */
import { readFileSync } from 'node:fs';
import { Metadata } from '@grpc/grpc-js';
import { Usage } from '../errors.js';
import type { ConnectionOptions } from './connection.js';

/** Read for each call: a watch that comes back after days shows the token of that day. @throws Usage */
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
