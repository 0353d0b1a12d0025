/** `chord help TOPIC`. */
import test from 'ava';
import { TOPICS } from '../../src/cli/topics.js';
import { chord } from '../support/cli.js';

test('a topic is printed, the help names all of them, and another word is refused with the nearest', async (t) => {
  const { code, stdout } = await chord(['help', 'positions']);
  t.is(code, 0);
  t.is(stdout, `${TOPICS.positions!.summary}\n\n${TOPICS.positions!.text}\n`);
  t.true((await chord(['--help'])).stdout.includes(`Topics: chord help ${Object.keys(TOPICS).join(', ')}.`));
  t.is((await chord(['--address', 'a:1', '--json', 'help', 'positions'])).stdout, stdout);
  const refused = await chord(['help', 'position']);
  t.deepEqual(
    [refused.code, refused.stderr],
    [2, 'chord: there is no command or topic position; did you mean positions?\n'],
  );
});

test('the commands and options that topics name exist', async (t) => {
  const { stdout: script } = await chord(['completion', 'bash']);
  const words = new Map(
    [...script.matchAll(/^ {4}'(.*)'\) words='(.*)' ;;$/gm)].map(([, path, all]) => [path!, all!.split(' ')]),
  );
  const everywhere = new Set([...words.values()].flat());
  for (const [topic, { text }] of Object.entries(TOPICS)) {
    const examples = [...text.matchAll(/^ {2}(?:\w+=\S+ )?chord (.*?)(?: {2,}#.*)?$/gm)].map(([, line]) => line!);
    t.true(examples.length >= 3, topic);
    for (const example of examples) {
      const [first, second] = example.split(' ');
      const flags = words.get(`${first} ${second}`) ?? words.get(first!);
      t.truthy(flags, `${topic}: ${example}`);
      for (const [flag] of example.matchAll(/--[a-z-]+/g))
        t.true(flags!.includes(flag), `${topic}: ${example}: ${flag}`);
    }
    for (const [flag] of text.matchAll(/--[a-z-]+/g)) t.true(everywhere.has(flag), `${topic}: ${flag}`);
    for (const line of text.split('\n')) t.true(line.length <= 120, `${topic}: ${line}`);
  }
});
