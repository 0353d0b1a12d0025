/** Options that several commands share. */
import type { Command } from 'commander';
import type { Expected } from '../../gen/chord/v1/model.js';
import type { Duration } from '../../gen/google/protobuf/duration.js';
import { option } from './option.js';
import { parseExpected, parsePath, parseTtl } from './parse.js';

/** Help for commands that take a context or a prefix. */
export const TARGET_HELP =
  "A target is a context id, or a prefix where it ends in *: 'user:*'. A final \\* is an asterisk of the id itself.";

const FORMATS = 'delta format: flat, json_patch, merge_patch, or a format of the server';

/** The parsed options of a write. */
export interface WriteFlags extends ReturnFlags {
  readonly expected?: Expected;
  readonly requestId?: string;
  readonly ttl?: Duration;
  readonly allowMissing?: boolean;
}

/** What to print after a write beside the position. */
export interface ReturnFlags {
  /** Print the changes. */
  readonly delta?: boolean;
  /** With `delta`: print the old values too. */
  readonly oldValues?: boolean;
  /** With `delta`: in this format. */
  readonly format?: string;
}

/** Options for the precondition and the request id of a write. */
export function withCondition(command: Command): Command {
  return command
    .addOption(
      option('--expected <position>', 'write only if the context is at this position, or absent', parseExpected),
    )
    .option('--request-id <id>', 'request id of the write: makes repeats safe');
}

export function withReturning(command: Command): Command {
  return command
    .option('--delta', 'print the changes')
    .option('--old-values', 'with --delta: print old values too')
    .option('--format <name>', `with --delta: ${FORMATS}`);
}

/** Options of a write that changes a document. */
export function withWriteOptions(command: Command): Command {
  const ttl = option('--ttl <duration>', 'time to live; 0: no expiry', parseTtl);
  return withReturning(withCondition(command).addOption(ttl));
}

export const oldValuesOption = () => option('--old-values', 'print old values too');
export const formatOption = () => option('--format <name>', FORMATS);
export const pathOption = () =>
  option('--path <path>', 'projection: only this part of documents; repeatable').argParser(
    (text: string, before?: string[][]) => [...(before ?? []), parsePath(text)],
  );

/** The request fields that all writes of documents share. */
export function writeFields({ expected, requestId = '', ttl, ...returning }: WriteFlags) {
  return { expected, requestId, ttl, returning: returnFields(returning) };
}

export function returnFields({ delta = false, oldValues = false, format = '' }: ReturnFlags) {
  return { context: false, delta, oldValues, format };
}
