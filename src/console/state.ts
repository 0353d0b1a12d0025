/**
 * What the console shows and what the session keeps: the route in the address, the theme in this browser, the token in this
 * tab. Views keep the rest to themselves.
 */
import { useEffect, useState } from 'preact/hooks';

/** A value that views follow. */
export class Cell<T> {
  readonly #listeners = new Set<(value: T) => void>();

  constructor(public value: T) {}

  set(value: T): void {
    this.value = value;
    for (const listener of this.#listeners) listener(value);
  }

  follow(listener: (value: T) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}

/** The value, also when it changes. */
export function useCell<T>(cell: Cell<T>): T {
  const [value, setValue] = useState(() => cell.value);
  useEffect(() => {
    setValue(() => cell.value);
    return cell.follow((next) => setValue(() => next));
  }, [cell]);
  return value;
}

export const TABS = ['document', 'history', 'compare', 'blame', 'edit'] as const;
export type Tab = (typeof TABS)[number];

/** What an address shows: a link to it shows the same. */
export interface HashRoute {
  readonly view: 'contexts' | 'server';
  /** Of the list of contexts. */
  readonly prefix: string;
  /** Text that the listed ids contain. */
  readonly find: string;
  /** The open context; undefined: none. */
  readonly id: string | undefined;
  readonly tab: Tab;
  /** The version that is looked at; undefined: the current one, live. */
  readonly version: number | undefined;
  /** The versions that are compared. */
  readonly from: number | undefined;
  readonly to: number | undefined;
}

export function parseRoute(hash: string): HashRoute {
  const fields = new URLSearchParams(hash.replace(/^#/, ''));
  const version = (name: string) => {
    const value = Number(fields.get(name) ?? Number.NaN);
    return Number.isSafeInteger(value) && value > 0 ? value : undefined;
  };
  return {
    view: fields.get('view') === 'server' ? 'server' : 'contexts',
    prefix: fields.get('prefix') ?? '',
    find: fields.get('find') ?? '',
    id: fields.get('id') || undefined,
    tab: TABS.find((tab) => tab === fields.get('tab')) ?? 'document',
    version: version('version'),
    from: version('from'),
    to: version('to'),
  };
}

export function formatRoute(route: Partial<HashRoute>): string {
  const fields = new URLSearchParams();
  for (const [name, value] of Object.entries(route)) {
    const standard = value === undefined || value === '' || value === 'contexts' || value === 'document';
    if (!standard) fields.set(name, String(value));
  }
  return `#${fields}`;
}

export const route = new Cell(parseRoute(location.hash));
addEventListener('hashchange', () => {
  clearTimeout(settling);
  route.set(parseRoute(location.hash));
});

/** Milliseconds after the last move in which the address is changed: browsers refuse to do it hundreds of times. */
const SETTLE = 150;
let settling: ReturnType<typeof setTimeout> | undefined;

/** The address of another place; the list stays as it is. */
export function linkTo(place: Partial<HashRoute>): string {
  const { prefix, find } = route.value;
  return formatRoute({ prefix, find, ...place });
}

/** Goes there without a new entry in the history of the browser: for sliders and fields. */
export function moveTo(place: Partial<HashRoute>): void {
  const link = linkTo(place);
  route.set(parseRoute(link));
  clearTimeout(settling);
  const { hash } = location;
  settling = setTimeout(() => {
    // A link may have been followed meanwhile.
    if (location.hash === hash) history.replaceState(null, '', link);
  }, SETTLE);
}

export type Theme = 'light' | 'dark';
const THEME = 'chord-theme';
const preferred = matchMedia('(prefers-color-scheme: dark)');
const readTheme = (): Theme => (localStorage.getItem(THEME) as Theme | null) ?? (preferred.matches ? 'dark' : 'light');

export const theme = new Cell<Theme>(readTheme());
preferred.addEventListener('change', () => theme.set(readTheme()));
const showTheme = (value: Theme) => {
  document.documentElement.dataset.theme = value;
};
showTheme(theme.value);
theme.follow(showTheme);

export function chooseTheme(value: Theme): void {
  localStorage.setItem(THEME, value);
  theme.set(value);
}

/**
 * The token is kept for this tab alone: a reload does not ask again, and closing the tab forgets it. A cookie would be sent
 * by the browser for other pages, too.
 */
const TOKEN = 'chord-token';
export const token = new Cell<string | undefined>(sessionStorage.getItem(TOKEN) ?? undefined);

/** Why the server asks for a token, in its words; undefined: it does not. */
export const asked = new Cell<string | undefined>(undefined);

export function chooseToken(value: string | undefined): void {
  asked.set(undefined);
  if (value === undefined) sessionStorage.removeItem(TOKEN);
  else sessionStorage.setItem(TOKEN, value);
  token.set(value);
}
