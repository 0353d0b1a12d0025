/** The example pages, as people use them. */
import test from 'ava';
import type { Page } from 'playwright-core';
import { browserTests, picture, type Stage } from './chromium.js';

const inBrowser = browserTests(test, '../../examples/web', ['chat.ts', 'react.tsx']);

const enter = ({ open, server }: Stage, page: string, name: string) =>
  open(`${page}.html?name=${name}&server=${server.webAddress}`);
const guests = (page: Page) => page.getByRole('list', { name: 'In the room' });
const messages = (page: Page) => page.getByRole('list', { name: 'Messages' });

async function say(page: Page, text: string): Promise<void> {
  await page.getByLabel('Say').fill(text);
  await page.getByRole('button', { name: 'Send' }).click();
}

inBrowser(
  'pages in plain HTML and in React are in one room: they see each other, and who leaves is gone',
  async (t, stage) => {
    const [ann, bob, cleo] = await Promise.all([
      enter(stage, 'chat', 'ann'),
      enter(stage, 'react', 'bob'),
      enter(stage, 'chat', 'cleo'),
    ]);
    for (const page of [ann, bob, cleo]) {
      for (const name of ['ann', 'bob', 'cleo']) await guests(page).getByText(name, { exact: true }).waitFor();
    }
    await say(ann, 'Hello, <b>all</b>.');
    await bob.getByText('ann: Hello, <b>all</b>.').waitFor();
    await say(bob, 'Hello, ann.');
    for (const page of [ann, bob, cleo]) {
      await page.getByText('bob: Hello, ann.').waitFor();
      t.deepEqual(await messages(page).getByRole('listitem').allTextContents(), [
        'ann: Hello, <b>all</b>.',
        'bob: Hello, ann.',
      ]);
    }
    await Promise.all([picture(ann, 'chat'), picture(bob, 'react')]);
    await cleo.close();
    for (const page of [ann, bob]) await guests(page).getByText('cleo').waitFor({ state: 'detached' });
    t.deepEqual(await guests(bob).getByRole('listitem').allTextContents(), ['ann', 'bob']);
  },
);

inBrowser('the pages show that the server is away, and go on when it is back', async (t, stage) => {
  const pages = await Promise.all([enter(stage, 'chat', 'ann'), enter(stage, 'react', 'bob')]);
  for (const page of pages) await page.getByText('live, as').waitFor();
  await stage.server.stop('SIGKILL');
  for (const page of pages) await page.getByText('reconnecting').waitFor();
  await picture(pages[1], 'react-reconnecting');
  await stage.server.start();
  for (const page of pages) await page.getByText('live, as').waitFor();
  await say(pages[0], 'We are back.');
  await pages[1].getByText('ann: We are back.').waitFor();
  t.pass();
});
