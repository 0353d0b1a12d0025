/** What the tests of the console look at: servers with a room, and a page on them. */
import type { ExecutionContext, TestFn } from 'ava';
import type { Browser, BrowserContextOptions, Locator, Page } from 'playwright-core';
import type { Chord, ChordOptions } from '../../src/server/app.js';
import { ALL, type Guarded, guarded } from '../support/access.js';
import { connect, type Peer, serve } from '../support/chord.js';
import { hasChromium, type Opened, openBrowser, openPage } from './browser.js';

export const WEB = { webListen: '127.0.0.1:0' };

const ROOM = {
  topic: 'daily',
  seats: 12,
  open: true,
  members: { ann: { status: 'online', unread: 3 }, bob: { status: 'away', unread: 0 } },
  log: ['good morning', 'the build is green'],
  note: null,
};

type Run = (t: ExecutionContext, browser: Browser) => Promise<void>;

/** Tests of a file that share a Chromium. They are skipped, with a line that says so, where there is none. */
export function chromiumTests(test: TestFn): (title: string, run: Run) => void {
  let browser: Browser | undefined;
  test.before(async () => {
    if (hasChromium) browser = await openBrowser();
  });
  test.after.always(() => browser?.close());
  return (title, run) => {
    if (hasChromium) test.serial(title, (t) => run(t, browser!));
    else test.skip(`${title} (needs Chromium: apt-get install chromium)`, (t) => t.pass());
  };
}

export interface Looking extends Opened {
  readonly chord: Chord;
  readonly peer: Peer;
}

/** A server with a room, and the console at this place. */
export async function looking(
  t: ExecutionContext,
  browser: Browser,
  hash = '',
  page: BrowserContextOptions = {},
  options: ChordOptions = {},
): Promise<Looking> {
  const chord = await serve(t, { ...WEB, ...options });
  const peer = connect(t, chord.address);
  await peer.set({ contextId: 'room:1', value: ROOM });
  const opened = await openPage(t, browser, `http://${chord.webAddress}/#${hash}`, page);
  return { ...opened, chord, peer };
}

type Write = (name: string, changes: object, annotations?: Record<string, string>) => Promise<void>;

/** Versions 1 to 7 of a room by several authors, and the console of an operator. */
export async function withHistory(
  t: ExecutionContext,
  browser: Browser,
  hash: string,
  options: BrowserContextOptions = {},
): Promise<Opened & Guarded & { readonly write: Write }> {
  const rights = { '': ALL };
  const subject = await guarded(t, { ann: rights, bob: rights, operator: rights }, WEB);
  const { chord, tokens, as } = subject;
  const write: Write = async (name, changes, annotations = {}) => {
    const request = { contextId: 'room:1', changes: changes as never, allowMissing: true };
    await as(tokens[name]).update({ ...request, annotations: new Map(Object.entries(annotations)) });
  };
  const others = ['device:thermostat-4', 'flags:web', 'room:2', 'room:3', 'room:4', 'user:ann', 'user:bob', 'user:cyd'];
  for (const contextId of others) await as(tokens.operator).set({ contextId, value: {} });
  await write('ann', ROOM);
  await write('bob', { members: { bob: { status: 'online' } } });
  await write('ann', { topic: 'weekly', seats: 14 }, { ticket: 'OPS-7' });
  await write('bob', { members: { cyd: { status: 'online', unread: 1 } } });
  const log = ['good morning', 'the build is green', 'release at four'];
  await write('ann', { log }, { ticket: 'OPS-9', why: 'release' });
  await write('bob', { members: { ann: { unread: 5 } }, note: 'bring the keys' });
  await write('ann', { open: false });
  const opened = await openPage(t, browser, `http://${chord.webAddress}/#${hash}`, options);
  await opened.page.getByLabel('Token', { exact: true }).fill(tokens.operator!);
  await opened.page.getByRole('button', { name: 'Continue' }).click();
  return { ...opened, ...subject, write };
}

/** The row of a tree that begins with this text. */
export function row(page: Page, text: string): Locator {
  return page.getByRole('treeitem', { name: text });
}

/** What a page has printed, but for the refusals of calls, which Chromium prints too. */
export function complaints({ printed }: Opened): string[] {
  return printed.filter((line) => !/Failed to load resource: .* status of 4\d\d/.test(line));
}

/**
 * The texts of a page whose contrast to what is behind them is less than 4.5 (WCAG, AA), each with its contrast. What cannot be used
 * now is left out, as there.
 */
export function faintTexts(page: Page): Promise<string[]> {
  return page.evaluate(`(() => {
    const parse = (text) => text.match(/[\\d.]+/g).map(Number);
    const luminance = (rgb) => {
      const [r, g, b] = rgb.map((each) => (each /= 255) <= 0.04045 ? each / 12.92 : ((each + 0.055) / 1.055) ** 2.4);
      return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const behind = (element) => {
      for (let each = element; each; each = each.parentElement) {
        const [r, g, b, a = 1] = parse(getComputedStyle(each).backgroundColor);
        if (a === 1) return [r, g, b];
      }
    };
    const found = [];
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    for (let text = texts.nextNode(); text; text = texts.nextNode()) {
      const element = text.parentElement;
      if (!text.data.trim() || element.closest('.hidden, :disabled, noscript')) continue;
      const [a, b] = [luminance(parse(getComputedStyle(element).color).slice(0, 3)), luminance(behind(element))];
      const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
      if (contrast < 4.5) found.push(contrast.toFixed(2) + ' ' + text.data.slice(0, 40));
    }
    return [...new Set(found)];
  })()`);
}
