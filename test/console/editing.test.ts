/** Writes from the console: they rest on the position that was seen, and are confirmed. */
import test from 'ava';
import type { Page } from 'playwright-core';
import { newToken, tokenLine } from '../../src/auth/tokens.js';
import { replace } from '../support/access.js';
import { chromiumTests, complaints, looking, row, withHistory } from './subjects.js';

const inChromium = chromiumTests(test);

/** Puts another text where the document has this one. */
async function edit(page: Page, from: string, to: string): Promise<void> {
  const field = page.getByRole('textbox', { name: /^Document, from version/ });
  await field.fill((await field.inputValue()).replace(from, to));
}

inChromium('an edit is shown before it is written, and names who wrote it', async (t, browser) => {
  const subject = await withHistory(t, browser, 'id=room:1&tab=edit');
  const { page, picture, as, tokens } = subject;
  const write = page.getByRole('button', { name: 'Write…' });
  await write.waitFor();
  t.true(await write.isDisabled(), 'nothing is changed yet');
  await edit(page, '"weekly"', '"weekly');
  await page.locator('.fault', { hasText: 'JSON' }).waitFor();
  t.true(await write.isDisabled(), 'it is no JSON');
  await edit(page, '"weekly', '"monthly"');
  await picture('edit');
  await write.click();
  const dialog = page.getByRole('dialog');
  await dialog.locator('tr.changed').waitFor();
  t.deepEqual(await dialog.locator('tr.changed td').allTextContents(), [
    'changed "topic": "weekly"',
    'changed "topic": "monthly"',
  ]);
  await dialog.getByLabel('Note').fill('agreed on Monday');
  await picture('confirm');
  await page.keyboard.press('Escape');
  await dialog.waitFor({ state: 'detached' });
  t.like(await as(tokens.ann).document('room:1'), { topic: 'weekly' });
  await write.click();
  await dialog.getByRole('button', { name: 'Write version 8' }).click();
  await row(page, 'topic: "monthly"').waitFor();
  t.is(await page.locator(':focus').textContent(), 'Document', 'the focus is not lost with the dialog');
  const { deltas } = await as(tokens.ann).history('room:1', 7);
  t.is(deltas[0]!.provenance!.author, 'operator');
  t.deepEqual([...deltas[0]!.provenance!.annotations], [['via', 'console']]);
  t.deepEqual(complaints(subject), []);
});

inChromium(
  'an edit that began from an older version is refused, and what came between is shown',
  async (t, browser) => {
    const subject = await looking(t, browser, 'id=room:1&tab=edit');
    const { page, peer, picture } = subject;
    await edit(page, '"daily"', '"never"');
    await page.getByRole('button', { name: 'Write…' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByRole('button', { name: 'Write version 2' }).waitFor();
    await peer.update({ contextId: 'room:1', changes: { seats: 40 } });
    await page.getByText('The document has changed').waitFor();
    await dialog.getByRole('button', { name: 'Write version 2' }).click();
    await dialog.getByText('ABORTED').waitFor();
    await dialog.locator('tr.changed').waitFor();
    t.deepEqual(await dialog.locator('tr.changed td').allTextContents(), [
      'changed "seats": 12',
      'changed "seats": 40',
    ]);
    await picture('conflict');
    await dialog.getByRole('button', { name: 'Close' }).click();
    t.like(await peer.document('room:1'), { topic: 'daily', seats: 40 });
    await page.getByRole('button', { name: 'Keep my text' }).click();
    await page.getByRole('button', { name: 'Write…' }).click();
    await dialog.locator('tr.changed').nth(1).waitFor(); // the seats go back, too
    t.is(await dialog.locator('tr.changed').count(), 2);
    await dialog.getByRole('button', { name: 'Cancel' }).click();
    await page.getByRole('button', { name: 'Reset' }).click();
    await edit(page, '"daily"', '"never"');
    await page.getByRole('button', { name: 'Write…' }).click();
    await dialog.getByRole('button', { name: 'Write version 3' }).click();
    await row(page, 'topic: "never"').waitFor();
    t.like(await peer.document('room:1'), { topic: 'never', seats: 40 });
    t.deepEqual(complaints(subject), []);
  },
);

inChromium('a version is brought back from the history; not where another write came between', async (t, browser) => {
  const subject = await withHistory(t, browser, 'id=room:1&tab=history');
  const { page, picture, as, tokens, write } = subject;
  const dialog = page.getByRole('dialog');
  await page.getByRole('button', { name: 'Revert… to version 2' }).click();
  await dialog.getByRole('button', { name: 'Revert as version 8' }).waitFor();
  await picture('revert');
  await write('bob', { seats: 15 });
  await page.locator('.history li', { hasText: 'seats' }).nth(1).waitFor();
  await dialog.getByRole('button', { name: 'Revert as version 8' }).click();
  await dialog.getByText('ABORTED').waitFor();
  await dialog.getByRole('button', { name: 'Close' }).click();
  t.like(await as(tokens.ann).document('room:1'), { topic: 'weekly', seats: 15 });
  await page.getByRole('button', { name: 'Revert… to version 2' }).click();
  await dialog.getByRole('button', { name: 'Revert as version 9' }).click();
  await row(page, 'topic: "daily"').waitFor();
  t.like(await as(tokens.ann).document('room:1'), { topic: 'daily', seats: 12 });
  t.deepEqual(complaints(subject), []);
});

inChromium('a context is created where none exists, and deleted at the version that was seen', async (t, browser) => {
  const subject = await withHistory(t, browser, 'prefix=room:');
  const { page, picture, as, tokens, write } = subject;
  const dialog = page.getByRole('dialog');
  await page.getByRole('button', { name: 'New context' }).click();
  const id = dialog.getByLabel('Id');
  t.is(await id.inputValue(), 'room:', 'the prefix of the list');
  await id.fill('room:1');
  await dialog.getByLabel('Document').fill('[1]');
  t.true(await dialog.getByRole('button', { name: 'Create' }).isDisabled(), 'a list is no document');
  await dialog.getByLabel('Document').fill('{"topic":"new"}');
  await dialog.getByRole('button', { name: 'Create' }).click();
  await dialog.getByText('ABORTED').waitFor();
  t.like(await as(tokens.ann).document('room:1'), { topic: 'weekly' });
  await id.fill('room:9');
  await dialog.getByLabel('Note').fill('for the guests');
  await picture('create');
  await dialog.getByRole('button', { name: 'Create' }).click();
  await row(page, 'topic: "new"').waitFor();
  t.is(await page.locator(':focus').textContent(), 'New context…', 'the focus is where the dialog was opened');
  const { deltas } = await as(tokens.ann).history('room:9', 0);
  const made = deltas[0]!.provenance!;
  t.deepEqual(
    [made.author, Object.fromEntries(made.annotations)],
    ['operator', { via: 'console', note: 'for the guests' }],
  );

  await page.goto(page.url().replace(/#.*/, '#id=room:1&tab=edit'));
  await page.getByRole('button', { name: 'Delete…' }).click();
  await dialog.getByRole('button', { name: 'Delete at version 7' }).waitFor();
  t.true((await dialog.locator('tr.removed').count()) > 10, 'what is lost is shown');
  await picture('delete');
  await page.keyboard.press('Escape');
  await dialog.waitFor({ state: 'detached' });
  await page.getByRole('button', { name: 'Delete…' }).click();
  await dialog.getByRole('button', { name: 'Delete at version 7' }).waitFor();
  await write('bob', { seats: 15 });
  await page.getByText('The document has changed').waitFor();
  await dialog.getByRole('button', { name: 'Delete at version 7' }).click();
  await dialog.getByText('ABORTED').waitFor();
  await dialog.getByRole('button', { name: 'Close' }).click();
  t.like(await as(tokens.ann).document('room:1'), { seats: 15 });
  await page.getByRole('button', { name: 'Delete…' }).click();
  await dialog.getByRole('button', { name: 'Delete at version 8' }).click();
  await page.getByText('deleted', { exact: true }).waitFor();
  await t.throwsAsync(as(tokens.ann).get({ contextId: 'room:1' }), { message: /no context/ });
  await page.goto(page.url().replace(/#.*/, '#id=room:8'));
  await page.getByText('does not exist', { exact: true }).waitFor();
  await page.locator('.pane').getByRole('button', { name: 'New context' }).click();
  t.is(await id.inputValue(), 'room:8');
  await dialog.getByLabel('Document').fill('{"topic":"here"}');
  await dialog.getByRole('button', { name: 'Create' }).click();
  await row(page, 'topic: "here"').waitFor();
  t.is(await page.locator(':focus').textContent(), 'Document', 'that button is gone');
  t.deepEqual(complaints(subject), []);
});

inChromium('an edited text stays while a new token is asked for', async (t, browser) => {
  const subject = await withHistory(t, browser, 'id=room:1&tab=edit');
  const { page, chord, tokensFile, as, tokens } = subject;
  await edit(page, '"weekly"', '"monthly"');
  const fresh = newToken();
  await replace(tokensFile, `${tokenLine('operator', fresh)}\n${tokenLine('ann', tokens.ann!)}\n`);
  await chord.reload();
  const dialog = page.getByRole('dialog', { name: 'This server asks for a token' });
  await dialog.getByText('UNAUTHENTICATED').waitFor();
  for (let i = 0; i < 3; i++) await page.keyboard.press('Escape');
  await dialog.waitFor();
  await dialog.getByLabel('Token', { exact: true }).fill(fresh);
  await dialog.getByRole('button', { name: 'Continue' }).click();
  await page.getByRole('button', { name: 'Write…' }).click();
  await page.getByRole('button', { name: 'Write version 8' }).click();
  await row(page, 'topic: "monthly"').waitFor();
  t.like(await as(tokens.ann).document('room:1'), { topic: 'monthly' });
  t.deepEqual(complaints(subject), []);
});

inChromium('everything is reached by keys alone', async (t, browser) => {
  const subject = await looking(t, browser);
  const { page } = subject;
  await page.locator('.list .rows a').waitFor();
  /** What has the focus, by its name; empty: the page itself. */
  const focused = () =>
    page.evaluate(`(document.activeElement === document.body ? ''
      : document.activeElement.getAttribute('aria-label') ?? document.activeElement.textContent).trim()`);
  /** Presses Tab until this has the focus. */
  const tabTo = async (name: RegExp) => {
    for (let i = 0; i < 30; i++) {
      await page.keyboard.press('Tab');
      if (name.test(String(await focused()))) return;
    }
    t.fail(`Tab does not reach ${name}`);
  };
  await tabTo(/^room:1/);
  await page.keyboard.press('Enter');
  await row(page, 'topic').waitFor();
  await tabTo(/^Version before$|^Document$/);
  await tabTo(/^▸?topic: /);
  for (const key of ['ArrowDown', 'ArrowDown', 'ArrowDown']) await page.keyboard.press(key);
  t.regex(String(await focused()), /members/);
  await page.keyboard.press('ArrowRight');
  t.regex(String(await focused()), /ann/);
  await page.keyboard.press('ArrowLeft');
  await page.keyboard.press('ArrowLeft');
  t.regex(String(await focused()), /members/);
  t.is(await row(page, 'members').getAttribute('aria-expanded'), 'false');
  await page.keyboard.press('End');
  t.regex(String(await focused()), /note/);
  await page.keyboard.press('Tab');
  t.notRegex(String(await focused()), /note|topic/, 'one Tab leaves the tree');
  // Chromium goes over the page itself, from its first to its last element.
  await page.keyboard.press('Shift+Tab');
  await page.keyboard.press('Shift+Tab');
  t.regex(String(await focused()), /^note/, 'and comes back to where it was');
  await page.keyboard.press('Shift+Tab');
  t.notRegex(String(await focused()), /note|topic/);
  // Each thing that takes the focus has a name.
  const unnamed = await page.evaluate(`[...document.querySelectorAll('button, a, input, textarea, [role=tree]')]
    .filter((each) => !(each.getAttribute('aria-label') || each.textContent.trim() || each.closest('label')))
    .map((each) => each.outerHTML)`);
  t.deepEqual(unnamed, []);
  t.deepEqual(complaints(subject), []);
});
