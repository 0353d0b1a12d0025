/** The console in a real Chromium, over a served Chord. Each page must print nothing: a blocked script or style would. */
import test from 'ava';
import { temporaryDirectory } from '../store/lmdb/directories.js';
import { ALL, guarded } from '../support/access.js';
import { connect, serve, watch } from '../support/chord.js';
import { openPage } from './browser.js';
import { chromiumTests, complaints, faintTexts, looking, row, WEB, withHistory } from './subjects.js';

const inChromium = chromiumTests(test);
const many = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, i) => [`k${i}`, i]));

inChromium('contexts are listed by prefix, searched, and paged', async (t, browser) => {
  const subject = await looking(t, browser);
  const { page, peer, picture } = subject;
  const ids = Array.from({ length: 150 }, (_, i) => `user:${String(i).padStart(3, '0')}`);
  await Promise.all(ids.map((contextId) => peer.set({ contextId, value: {} })));
  await page.getByRole('button', { name: 'Read the list again' }).click();
  const rows = page.locator('.list .rows a');
  await page.getByText('page 1, 100 contexts').waitFor();
  t.is(await rows.count(), 100);
  t.is(await rows.first().locator('.id').textContent(), 'room:1');
  await picture('list');
  await page.getByRole('button', { name: 'Next page' }).click();
  await page.getByText('page 2, 51 contexts').waitFor();
  t.is(await rows.last().locator('.id').textContent(), 'user:149');
  await page.getByLabel('Prefix').fill('user:01');
  await page.getByText('page 1, 10 contexts').waitFor();
  await page.getByLabel('Prefix').fill('user:');
  await page.getByLabel('Contains').fill('7');
  await page.getByText('24 of 150 read').waitFor();
  await page.waitForURL(/#prefix=user%3A&find=7$/);
  await page.reload();
  await page.getByText('24 of 150 read').waitFor();
  t.is(await page.getByLabel('Contains').inputValue(), '7');
  t.deepEqual(complaints(subject), []);
});

inChromium('a document is live: what just changed is marked, and nothing else', async (t, browser) => {
  const subject = await looking(t, browser, 'id=room:1');
  const { page, peer, picture } = subject;
  await page.getByText('live', { exact: true }).waitFor();
  await row(page, 'ann').click();
  await peer.update({
    contextId: 'room:1',
    changes: { members: { ann: { unread: 4 } } },
    annotations: new Map([['ticket', 'OPS-7']]),
  });
  await page.locator('.row.changed', { hasText: 'unread: 4' }).waitFor();
  t.is(await page.locator('.row.changed').count(), 1);
  t.is(await page.locator('.row.inside').count(), 2, 'members and ann');
  t.regex((await page.locator('.change').textContent()) ?? '', /Just changed~members\.ann\.unread.*ticket OPS-7/);
  await picture('document');
  await peer.update({
    contextId: 'room:1',
    mutations: [{ path: ['log'], operation: { $case: 'append', value: { values: ['lunch'] } }, ttl: undefined }],
  });
  await page.locator('.row.changed', { hasText: 'lunch' }).waitFor();
  t.is(await page.locator('.row.changed').count(), 1);
  const seats = Array.from({ length: 500 }, (_, i) => i);
  await Promise.all(seats.map((i) => peer.update({ contextId: 'room:1', changes: { seats: i } })));
  await row(page, 'seats: 499').waitFor();
  await peer.delete({ contextId: 'room:1' });
  await page.getByText('deleted', { exact: true }).waitFor();
  t.true(await row(page, 'seats: 499').isVisible(), 'what was last seen stays');
  await peer.set({ contextId: 'room:1', value: { again: true } });
  await row(page, 'again').waitFor();
  t.deepEqual(complaints(subject), []);
});

inChromium('a token is asked for, and kept for the tab alone', async (t, browser) => {
  const { chord, tokens } = await guarded(t, { operator: { '': ALL }, guest: { 'user:': ['read', 'watch'] } }, WEB);
  const { page, picture } = await openPage(t, browser, `http://${chord.webAddress}/`);
  const dialog = page.getByRole('dialog');
  const token = page.getByLabel('Token', { exact: true });
  await dialog.getByText('UNAUTHENTICATED').waitFor();
  await picture('token');
  await token.fill('nonsense');
  await page.getByRole('button', { name: 'Continue' }).click();
  await dialog.getByText('UNAUTHENTICATED').waitFor();
  await token.fill(tokens.guest!);
  await page.getByRole('button', { name: 'Continue' }).click();
  await page.getByText('PERMISSION_DENIED').waitFor();
  await page.getByLabel('Prefix').fill('user:');
  await page.waitForURL(/#prefix=user%3A$/);
  await page.getByText('No context here.').waitFor();
  await page.reload();
  await page.getByText('No context here.').waitFor();
  t.is(await page.evaluate('sessionStorage.getItem("chord-token")'), tokens.guest);
  t.is(await page.evaluate('document.cookie + JSON.stringify(localStorage)'), '{}');
  await page.getByRole('button', { name: 'Forget token' }).click();
  await dialog.getByText('UNAUTHENTICATED').waitFor();
  t.is(await page.evaluate('sessionStorage.length'), 0);
});

inChromium('the history names authors and annotations, and leads to what changed', async (t, browser) => {
  const subject = await withHistory(t, browser, 'id=room:1&tab=history');
  const { page, picture } = subject;
  const entries = page.locator('.history li');
  await entries.nth(6).waitFor();
  t.regex((await entries.nth(2).textContent()) ?? '', /^5.*annticket OPS-9why release.*log/);
  t.regex((await entries.nth(3).textContent()) ?? '', /^4.*bob\+members\.cyd/);
  await picture('history');
  await entries.nth(4).getByRole('link', { name: 'What changed in version 3' }).click();
  await page.locator('tr.changed').nth(1).waitFor();
  t.deepEqual(await page.locator('tr.changed td').allTextContents(), [
    'changed "topic": "daily"',
    'changed "topic": "weekly"',
    'changed "seats": 12',
    'changed "seats": 14',
  ]);
  t.deepEqual(complaints(subject), []);
  await page.clock.setFixedTime(Date.now() + 17 * 60_000);
  await page.goto(page.url().replace(/#.*/, '#id=room:1&tab=history'));
  await page.reload();
  const age = entries.first().locator('time', { hasText: '17 min ago' });
  const [narrow, wide] = [(await age.boundingBox())!, (await entries.first().locator('.who').boundingBox())!];
  t.true(narrow.height < 24 && narrow.x + narrow.width < wide.x, 'an age is on one line, and beside the author');
});

inChromium('any two versions stand side by side, from a deep link', async (t, browser) => {
  const { page, picture } = await withHistory(t, browser, 'id=room:1&tab=compare&from=2&to=7');
  await page.locator('tr.added').first().waitFor();
  t.is(await page.locator('th').first().textContent(), 'Version 2');
  t.true((await page.locator('tr.added').allTextContents()).some((text) => text.includes('"cyd": {')));
  t.is(await page.locator('tr.removed').count(), 0);
  await picture('compare');
  await page.getByRole('button', { name: 'Swap the sides' }).click();
  await page.locator('tr.removed').first().waitFor();
  t.is(await page.locator('tr.added').count(), 0);
  await page.waitForURL(/from=7&to=2$/);
});

inChromium('the slider moves over the retained versions, by keys too', async (t, browser) => {
  const { page, picture } = await withHistory(t, browser, 'id=room:1');
  const slider = page.getByRole('slider', { name: 'Version' });
  await slider.focus();
  t.is(await slider.getAttribute('min'), '1');
  for (let i = 0; i < 5; i++) await page.keyboard.press('ArrowLeft');
  await page.getByText('As of version 2').waitFor();
  await row(page, 'topic: "daily"').waitFor();
  await page.waitForURL(/#id=room%3A1&version=2$/);
  await picture('slider');
  await page.getByRole('link', { name: 'Back to live' }).click();
  await row(page, 'topic: "weekly"').waitFor();
});

inChromium('where the history was thinned, the slider goes from one kept version to the next', async (t, browser) => {
  let now = Date.now() - 86_400_000;
  const tiers = [
    { age: 60_000, every: 0 },
    { age: 864_000_000, every: 10_000 },
  ];
  const subject = await looking(t, browser, '', {}, { clock: () => now, deltaRetention: tiers });
  const { page, peer, chord, picture } = subject;
  for (let i = 2; i <= 400; i++, now += 100) await peer.update({ contextId: 'room:1', changes: { seats: i } });
  now += 3_600_000;
  await chord.cleanup.run({});
  await peer.update({ contextId: 'room:1', changes: { seats: 401 } });
  const { deltas } = await peer.history('room:1', 0);
  const kept = deltas.map(({ to }) => to!.version);
  const [first, second, third] = kept.filter((version) => version > 1);
  t.true(second! > first! + 50 && third! > second! + 50, `kept: ${kept}`);
  await page.goto(page.url().replace(/#.*/, `#id=room:1&version=${second! + 1}`));
  await page.getByText(`As of version ${second}`).waitFor();
  await page.getByText(`version ${second! + 1} is no longer retained`).waitFor();
  await row(page, `seats: ${second}`).waitFor();
  await picture('thinned');
  const slider = page.getByRole('slider', { name: 'Version' });
  await slider.focus();
  await page.keyboard.press('ArrowRight');
  await row(page, `seats: ${third}`).waitFor();
  t.is(await slider.inputValue(), String(third));
  await page.getByRole('button', { name: 'Version before' }).click();
  await row(page, `seats: ${second}`).waitFor();
  await page.getByRole('button', { name: 'Version before' }).click();
  await row(page, `seats: ${first}`).waitFor();
  t.is(await slider.inputValue(), String(first));
  await page.getByRole('link', { name: 'History' }).click();
  const listed: number[] = [];
  while (listed.at(-1) !== kept[0]) {
    const next = kept.findLast((version) => version < (listed.at(-1) ?? Infinity))!;
    await page.locator('.history .version').first().getByText(String(next), { exact: true }).waitFor();
    listed.push(...(await page.locator('.history .version').allTextContents()).map(Number));
    if (listed.at(-1) !== kept[0]) await page.getByRole('button', { name: 'Older' }).click();
  }
  t.deepEqual(listed, kept.toReversed(), 'the history lists each kept version once');
  t.deepEqual(complaints(subject), []);
});

inChromium('who made each part stands beside it, page after page', async (t, browser) => {
  const subject = await withHistory(t, browser, 'id=room:1&tab=blame');
  const { page, picture, write } = subject;
  const line = (path: string) => page.locator('.blame tbody tr', { hasText: path });
  await line('members.cyd.status').waitFor();
  t.regex((await line('members.cyd.status').textContent()) ?? '', /^4.*bobmembers\.cyd\.status.*"online"/);
  t.regex((await line('seats').textContent()) ?? '', /^3.*annticket OPS-7seats: 14/);
  t.regex((await line('log[2]').textContent()) ?? '', /^5.*annticket OPS-9why releaselog\[2\]: \["release at four"\]/);
  t.regex((await line('log[0').textContent()) ?? '', /^1.*log\[0–1\]/);
  t.regex((await line('topic').textContent()) ?? '', /topic: "weekly"$/, 'a text that one version made has no range');
  await picture('blame');
  await write('bob', { seats: 15, list: Array.from({ length: 300 }, (_, i) => i), more: many(300) });
  const spliced = { $case: 'spliceText', value: { index: 6, removeCount: 0, insert: ', at ten' } } as const;
  await subject.as(subject.tokens.bob).update({
    contextId: 'room:1',
    mutations: [{ path: ['topic'], operation: spliced, ttl: undefined }],
  });
  await page.getByRole('button', { name: 'Read again at version 9' }).click();
  await page.getByRole('button', { name: 'Next', exact: true }).click();
  await line('topic').first().waitFor();
  t.deepEqual(await line('topic').locator('.what').allTextContents(), [
    'topic[0–5]: "weekly"',
    'topic[6–13]: ", at ten"',
  ]);
  t.regex((await line('seats').textContent()) ?? '', /^8.*bobseats: 15/);
  await page.getByRole('button', { name: 'Previous', exact: true }).click();
  await line('members.cyd.status').waitFor();
  await line('members.cyd.status').getByRole('link', { name: 'Version 4' }).click();
  await page.getByText('As of version 4').waitFor();
  t.deepEqual(complaints(subject), []);
});

inChromium('what the server does is plotted: rates, watchers, the hottest contexts', async (t, browser) => {
  const subject = await looking(t, browser, 'view=server');
  const { page, peer, picture } = subject;
  for (const id of ['room:1', 'room:2']) watch(t, peer, { id });
  const busy = (async () => {
    for (let i = 0; !page.isClosed() && i < 400; i++) {
      await peer.update({ contextId: 'room:1', changes: { seats: i } });
      await peer.get({ contextId: 'room:1' });
    }
  })();
  await page.getByRole('row', { name: /^room:1/ }).waitFor();
  await page.getByRole('row', { name: 'ContextService/UpdateContext' }).waitFor();
  await busy;
  t.is(await page.locator('.plot canvas').count(), 8);
  await page.getByRole('figure', { name: 'Watchers: streams 2, watched 2' }).waitFor();
  t.regex(
    (await page.getByRole('figure', { name: /^Calls/ }).getAttribute('aria-label')) ?? '',
    /^Calls \/ s: all [\d,.]+/,
  );
  await picture('server');
  await page.getByRole('link', { name: 'room:1' }).click();
  await row(page, 'seats: 399').waitFor();
  t.deepEqual(complaints(subject), []);
});

inChromium('dark where the system is dark, and where one chooses', async (t, browser) => {
  const subject = await withHistory(t, browser, 'id=room:1', { colorScheme: 'dark' });
  const { page, picture, write } = subject;
  const background = () => page.evaluate('getComputedStyle(document.documentElement).backgroundColor');
  await row(page, 'ann').click();
  await write('bob', { members: { ann: { unread: 6 } } });
  await page.locator('.row.changed').waitFor();
  await picture('dark');
  const dark = await background();
  await page.getByRole('button', { name: 'Switch to light colours' }).click();
  const light = await background();
  t.not(dark, light);
  await page.reload();
  await row(page, 'topic').waitFor();
  t.is(await background(), light, 'the choice is kept');
  await page.getByRole('button', { name: 'Switch to dark colours' }).click();
  t.is(await background(), dark);
  t.deepEqual(complaints(subject), []);
});

inChromium('every text stands out from what is behind it, in both themes, on small screens too', async (t, browser) => {
  const { page, picture } = await withHistory(t, browser, 'id=room:1');
  await row(page, 'topic').waitFor();
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme });
    for (const tab of ['document&version=2', 'history', 'compare&from=2&to=7', 'blame', 'edit']) {
      await page.goto(page.url().replace(/#.*/, `#id=room:1&tab=${tab}`));
      await page.locator('.past, .history li, tr.changed, .blame td, textarea').first().waitFor();
      t.deepEqual(await faintTexts(page), [], `${tab} ${colorScheme}`);
      await picture(`${colorScheme}-${tab.replace(/&.*/, '')}`);
    }
    await page.goto(page.url().replace(/#.*/, '#view=server'));
    await page.locator('.plot').first().waitFor();
    t.deepEqual(await faintTexts(page), [], `server ${colorScheme}`);
    await picture(`${colorScheme}-server`);
  }
  await page.setViewportSize({ width: 390, height: 780 });
  for (const tab of ['document', 'history', 'compare', 'blame']) {
    await page.goto(page.url().replace(/#.*/, `#id=room:1&tab=${tab}`));
    await page.locator('[role=tree], .history li, tr').first().waitFor();
    t.is(await page.evaluate('document.documentElement.scrollWidth'), 390, `${tab} is as wide as the screen`);
    const heights = await page.locator('.annotation').evaluateAll((all) => all.map((each) => each.clientHeight));
    t.true(Math.max(0, ...heights) < 60, `${tab}: an annotation is broken into ${heights} pixels`);
    await picture(`small-${tab}`);
  }
});

inChromium('a page goes on where it was when its server comes back', async (t, browser) => {
  const dataDir = await temporaryDirectory(t);
  const settings = { backend: 'lmdb', dataDir } as const;
  const subject = await looking(t, browser, 'id=room:1', {}, settings);
  const { page, chord } = subject;
  await row(page, 'ann').click();
  await chord.close();
  await page.getByText('connecting', { exact: true }).waitFor();
  await row(page, 'status').waitFor();
  const again = await serve(t, { ...settings, webListen: chord.webAddress! });
  await connect(t, again.address).update({ contextId: 'room:1', changes: { members: { ann: { unread: 9 } } } });
  await page.locator('.row.changed', { hasText: 'unread: 9' }).waitFor();
  await page.getByText('live', { exact: true }).waitFor();
  t.is(await page.locator('.row.changed').count(), 1, 'a delta came, and not the document');
});
