/**
 * A document as a tree, drawn as far as it is opened: a row for each member, a row for each range of members where there are
 * more than ROWS_MAX. Arrow keys move and open as in other trees; Home and End go to the first and the last row.
 */
import type { ComponentChildren } from 'preact';
import { useState } from 'preact/hooks';
import type { Json, JsonObject } from '../../../clients/typescript/src/json.js';
import { type Marks, placeOf } from './marks.js';
import { type Container, countOf, divide, isContainer, isRange, keyAt, type Range } from './parts.js';
import { onTreeBlur, onTreeFocus, onTreeKey } from './tree-keys.js';
import { Value } from './value.js';
import { visible } from './visible.js';

/** Containers of the first levels are open at first, where they have few members. */
const OPEN_LEVELS = 2;
const OPEN_COUNT_MAX = 30;

interface Shown {
  readonly marks: Marks;
  /** Another number for each delta: what it changed flashes. */
  readonly round: number;
}

interface TreeProps extends Shown {
  readonly value: JsonObject;
  readonly label: string;
}

export function Tree({ value, label, ...shown }: TreeProps) {
  return (
    <div
      class="tree"
      role="tree"
      aria-label={label}
      tabIndex={0}
      onKeyDown={onTreeKey}
      onFocusIn={onTreeFocus}
      onFocusOut={onTreeBlur}
    >
      {countOf(value) === 0 && <p class="hint">The document is empty.</p>}
      <Rows container={value} path={[]} range={{ from: 0, to: countOf(value) }} level={1} {...shown} />
    </div>
  );
}

interface RowsProps extends Shown {
  readonly container: Container;
  readonly path: readonly string[];
  readonly range: Range;
  readonly level: number;
}

function Rows({ container, path, range, level, ...shown }: RowsProps) {
  return divide(container, range).map((part) =>
    isRange(part) ? (
      <RangeRow key={part.from} container={container} path={path} range={part} level={level} {...shown} />
    ) : (
      <MemberRow
        key={part.key}
        member={part.key}
        path={[...path, part.key]}
        value={part.value}
        level={level}
        {...shown}
      />
    ),
  );
}

interface MemberProps extends Shown {
  readonly member: string;
  readonly path: readonly string[];
  readonly value: Json;
  readonly level: number;
}

function MemberRow({ member, path, value, level, marks, round }: MemberProps) {
  const count = isContainer(value) ? countOf(value) : 0;
  const [open, setOpen] = useState(level < OPEN_LEVELS && count <= OPEN_COUNT_MAX);
  const mark = marks.get(placeOf(path));
  const isOpen = open && count > 0;
  return (
    <>
      <Row level={level} open={count > 0 ? open : undefined} setOpen={setOpen} mark={mark} round={round}>
        <span class="json-key">{visible(member)}</span>
        <span class="json-colon">: </span>
        <Value value={value} />
      </Row>
      {isOpen && (
        <Rows
          container={value as Container}
          path={path}
          range={{ from: 0, to: count }}
          level={level + 1}
          {...{ marks, round }}
        />
      )}
    </>
  );
}

function RangeRow({ container, path, range, level, ...shown }: RowsProps) {
  const [open, setOpen] = useState(false);
  return (
    <>
      <Row level={level} open={open} setOpen={setOpen} mark={undefined} round={shown.round}>
        <span class="json-range">
          {visible(keyAt(container, range.from))} … {visible(keyAt(container, range.to - 1))}
        </span>{' '}
        <span class="json-count">{(range.to - range.from).toLocaleString('en')}</span>
      </Row>
      {open && <Rows container={container} path={path} range={range} level={level + 1} {...shown} />}
    </>
  );
}

interface RowProps {
  readonly level: number;
  /** Undefined: there is nothing to open. */
  readonly open: boolean | undefined;
  readonly setOpen: (open: boolean) => void;
  readonly mark: string | undefined;
  readonly round: number;
  readonly children: ComponentChildren;
}

function Row({ level, open, setOpen, mark, round, children }: RowProps) {
  const toggle = () => open !== undefined && setOpen(!open);
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: the tree has the keys of all its rows
    <div
      class={`row ${mark ?? ''}`}
      role="treeitem"
      tabIndex={-1}
      aria-level={level}
      aria-expanded={open}
      style={{ '--level': level }}
      onClick={toggle}
    >
      <span class="twisty" aria-hidden="true">
        {open === undefined ? '' : open ? '▾' : '▸'}
      </span>
      {children}
      {mark && <span key={round} class="flash" aria-hidden="true" />}
      {mark === 'changed' && <span class="hidden"> just changed</span>}
    </div>
  );
}
