import test from 'ava';
import { listed, providerLaws, SIGNAL, savedOf } from '../../../src/testing/provider.js';
import { openPostgres } from '../../../src/transfer/providers/postgres.js';
import { testLaws } from '../../support/laws.js';
import { POSTGRES_BIN, Postgres } from './postgres.js';

if (POSTGRES_BIN === undefined) {
  test.skip('PostgreSQL is not installed (Debian: apt-get install postgresql): the postgres provider is not tested', (t) =>
    t.pass());
} else {
  let server: Postgres;
  let tables = 0;
  test.before(async () => {
    server = await Postgres.start();
  });
  test.after.always(() => server?.destroy());

  testLaws(test, 'postgres', providerLaws, async () => {
    const url = server.url(`table_${tables++}`);
    const provider = openPostgres(url, 60_000);
    return { provider, reopen: async () => openPostgres(url, 60_000), destroy: () => provider.close() };
  });

  test('servers that make the table at once do not hinder one another; any name is a name', async (t) => {
    const url = server.url(encodeURIComponent('public."; drop table x'));
    const providers = Array.from({ length: 8 }, () => openPostgres(url, 60_000));
    await Promise.all(providers.map((provider, i) => provider.save(savedOf(`id ${i}`), SIGNAL)));
    t.is((await listed(providers[0]!)).length, 8);
    await Promise.all(providers.map((provider) => provider.close()));
  });

  test('while the database is away calls fail; when it is back they work again', async (t) => {
    const own = await Postgres.start();
    const provider = openPostgres(own.url('exports'), 60_000);
    t.teardown(async () => {
      await provider.close();
      await own.destroy();
    });
    await provider.save(savedOf('a'), SIGNAL);
    await own.stop();
    await t.throwsAsync(provider.save(savedOf('b'), SIGNAL));
    await t.throwsAsync(provider.load('a', SIGNAL));
    await t.throwsAsync(listed(provider));
    await own.start();
    t.deepEqual(await listed(provider), ['a']);
    await provider.save(savedOf('b'), SIGNAL);
    t.deepEqual(await listed(provider), ['a', 'b']);
  });

  test('a database that hangs fails by its timeout', async (t) => {
    const own = await Postgres.start();
    t.teardown(() => own.destroy());
    own.signal('SIGSTOP');
    const provider = openPostgres(own.url('exports'), 200);
    await t.throwsAsync(provider.save(savedOf('a'), SIGNAL), { message: /timeout/ });
    own.signal('SIGCONT');
    await provider.close();
  });
}
