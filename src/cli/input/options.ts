/** Options that several commands share. */
import type { Command } from 'commander';
import type { Check, Expected, Position } from '../../gen/chord/v1/model.js';
import type { Duration } from '../../gen/google/protobuf/duration.js';
import { Usage } from '../errors.js';
import { option } from './option.js';
import { parseCheck, parseExpected, parsePath, parsePosition, parseTtl } from './parse.js';

/** Help for commands that take checks. */
export const CHECK_HELP =
  "A check is PATH=JSON, PATH>=NUMBER, PATH<=NUMBER, PATH (it exists) or '!PATH' (it does not).";

/** Help for commands that take a context or a prefix. */
export const TARGET_HELP =
  "A target is a context id, or a prefix where it ends in *: 'user:*'. A final \\* is an asterisk of the id itself.";

const FORMATS = 'delta format: flat, json_patch, merge_patch, or a format of the server';

/** The parsed conditions of a write. */
export interface ConditionFlags {
  readonly expected?: Expected | undefined;
  readonly unchanged?: string[][];
  readonly since?: Position | undefined;
  readonly check?: Check[];
}

/** The parsed options of a write. */
export interface WriteFlags extends ReturnFlags, ConditionFlags {
  readonly requestId?: string;
  readonly ttl?: Duration;
  readonly annotate?: ReadonlyMap<string, string>;
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
    .addOption(pathsOption('--unchanged <path>', 'write only if nothing changed this path since --since; repeatable'))
    .addOption(
      option('--since <position>', 'position of --unchanged; splices name places of lists there', parsePosition),
    )
    .addOption(checkOption('write only if the document is so; repeatable'))
    .addOption(requestIdOption('write'))
    .addOption(annotateOption());
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

/** An empty id, as of a variable of a script that is not set, would mean none: the repeat would not be safe. */
export function requestIdOption(of: 'write' | 'batch') {
  return option('--request-id <id>', `request id of the ${of}: makes repeats safe`, (text) => {
    if (text === '') throw new Usage('must not be empty');
    return text;
  });
}

export const oldValuesOption = () => option('--old-values', 'print old values too');
export const formatOption = () => option('--format <name>', FORMATS);
export const pathOption = () => pathsOption('--path <path>', 'projection: only this part of documents; repeatable');

function pathsOption(flags: string, description: string) {
  return option(flags, description).argParser((text: string, before?: string[][]) => [
    ...(before ?? []),
    parsePath(text),
  ]);
}

function annotateOption() {
  const description = 'keep this with the version, for log and blame; repeatable';
  return option('--annotate <key=value>', description).argParser((text: string, before?: Map<string, string>) => {
    const end = text.indexOf('=');
    if (end < 1) throw new Usage(`--annotate: ${JSON.stringify(text)} is not KEY=VALUE`);
    return new Map(before).set(text.slice(0, end), text.slice(end + 1));
  });
}

function checkOption(description: string) {
  return option('--check <check>', description).argParser((text: string, before?: Check[]) => [
    ...(before ?? []),
    parseCheck(text),
  ]);
}

/** What the conditions of a write come to; undefined: there are none. */
export function expectedOf({ expected, unchanged = [], since, check = [] }: ConditionFlags): Expected | undefined {
  if (unchanged.length > 0 && !since)
    throw new Usage('--unchanged needs --since POSITION: a position that a read or a watch printed');
  if (since && expected) throw new Usage('--expected and --since exclude one another');
  const paths = unchanged.map((keys) => ({ keys }));
  const condition = since ? ({ $case: 'unchanged', value: { since, paths } } as const) : expected?.condition;
  return condition || check.length > 0 ? { condition, checks: check } : undefined;
}

/** The request fields that all writes of documents share. */
export function writeFields({ ttl, ...flags }: WriteFlags) {
  return { ...namedFields(flags), ttl, returning: returnFields(flags) };
}

/** Those that a delete has, too. */
export function namedFields({ requestId = '', annotate, ...conditions }: WriteFlags) {
  return { expected: expectedOf(conditions), requestId, annotations: new Map(annotate) };
}

export function returnFields({ delta = false, oldValues = false, format = '' }: ReturnFlags) {
  return { context: false, delta, oldValues, format };
}
