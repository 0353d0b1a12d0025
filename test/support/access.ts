/** Files of tokens and rules, and servers that go by them. */
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import type { Right } from '../../src/auth/rights.js';
import { newToken, tokenLine } from '../../src/auth/tokens.js';
import type { Chord, ChordOptions } from '../../src/server/app.js';
import { connect, type Peer, serve } from './chord.js';

export const ALL: readonly Right[] = ['read', 'write', 'watch', 'admin', 'export'];

/** By identity, then by prefix. */
export type Wanted = Readonly<Record<string, Readonly<Record<string, readonly Right[]>>>>;

export function rulesOf(wanted: Wanted): string {
  const identities = Object.entries(wanted).map(([name, grants]) => [
    name,
    { grants: Object.entries(grants).map(([prefix, rights]) => ({ prefix, rights })) },
  ]);
  return JSON.stringify({ identities: Object.fromEntries(identities) });
}

/** A directory that is removed after the test. */
export async function folder(t: ExecutionContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'chord-access-'));
  t.teardown(() => rm(path, { recursive: true, force: true }));
  return path;
}

/** In place of what is there, in one step. */
export async function replace(path: string, text: string): Promise<void> {
  await writeFile(`${path}.new`, text);
  await rename(`${path}.new`, path);
}

export interface Guarded {
  readonly chord: Chord;
  readonly tokensFile: string;
  readonly rulesFile: string;
  /** A token of each identity. */
  readonly tokens: Readonly<Record<string, string>>;
  /** A connection of its own that shows a token, or none. */
  as(token: string | undefined): Peer;
}

/** A server with one token for each identity that the rules name. */
export function guarded(t: ExecutionContext, wanted: Wanted, options: ChordOptions = {}): Promise<Guarded> {
  return guardedBy(t, Object.keys(wanted), rulesOf(wanted), options);
}

/** The same with a text of rules. */
export async function guardedBy(
  t: ExecutionContext,
  names: readonly string[],
  rules: string,
  options: ChordOptions = {},
): Promise<Guarded> {
  const at = await folder(t);
  const tokensFile = join(at, 'tokens');
  const rulesFile = join(at, 'rules.json');
  const tokens = Object.fromEntries(names.map((name) => [name, newToken()]));
  const named = Object.entries(tokens).filter(([name]) => name !== '*');
  await writeFile(tokensFile, named.map(([name, token]) => `${tokenLine(name, token)}\n`).join(''));
  await writeFile(rulesFile, rules);
  const chord = await serve(t, { authTokens: tokensFile, authRules: rulesFile, logLevel: 'silent', ...options });
  return { chord, tokensFile, rulesFile, tokens, as: (token) => connect(t, chord.address).show(token) };
}
