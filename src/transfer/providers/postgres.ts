/**
 * Exported contexts in a table of PostgreSQL: `postgres://USER:PASSWORD@HOST/DATABASE`, as libpq reads it, with
 * `table=NAME` beside the parameters of libpq. The table is created when it is first needed. Connections are few, and
 * opened on demand, so that calls to a database that is away fail one by one.
 */
import { escapeIdentifier, Pool } from 'pg';
import type { Provider, SavedContext } from '../export-provider.js';

const TABLE = 'chord_exports';
const CONNECTIONS_MAX = 4;
const PAGE = 1000;

/** @param timeout of connecting and of each statement, in milliseconds */
export function openPostgres(url: string, timeout: number): Provider {
  // Not a web URL: the host may be missing, as for local sockets.
  const [base = '', query = ''] = url.split(/\?(.*)/s);
  const parameters = new URLSearchParams(query);
  const table = parameters.get('table') ?? TABLE;
  parameters.delete('table');
  const pool = new Pool({
    connectionString: `${base}?${parameters}`,
    application_name: 'chord',
    max: CONNECTIONS_MAX,
    connectionTimeoutMillis: timeout,
    // The server cancels the statement; where the server does not answer at all, the client drops the connection.
    statement_timeout: timeout,
    query_timeout: timeout,
    idleTimeoutMillis: 30_000,
    allowExitOnIdle: true,
  });
  // The error of an idle connection needs no handling: the pool opens another one.
  pool.on('error', () => {});
  return new PostgresProvider(pool, table.split('.').map(escapeIdentifier).join('.'));
}

class PostgresProvider implements Provider {
  #created: Promise<void> | undefined;

  constructor(
    private readonly pool: Pool,
    /** Quoted, with its schema where one is given. */
    private readonly table: string,
  ) {}

  async save({ id, position, exportedAt, text }: SavedContext): Promise<void> {
    await this.#query(
      `insert into ${this.table} as t (id, epoch, version, digest, exported_at, document)
       values ($1, $2, $3, $4, $5, $6)
       on conflict (id) do update set epoch = excluded.epoch, version = excluded.version, digest = excluded.digest,
         exported_at = excluded.exported_at, document = excluded.document`,
      [id, position.epoch, position.version, position.digest, new Date(exportedAt).toISOString(), text],
    );
  }

  async load(id: string): Promise<string | null> {
    const [row] = await this.#query(`select document from ${this.table} where id = $1`, [id]);
    return row ? (row.document as string) : null;
  }

  async *list(prefix: string): AsyncGenerator<string> {
    for (let after = ''; ; ) {
      const rows = await this.#query(
        `select id from ${this.table} where id >= $1 and id > $2 and starts_with(id, $1) order by id limit ${PAGE}`,
        [prefix, after],
      );
      for (const { id } of rows) yield id as string;
      if (rows.length < PAGE) return;
      after = rows.at(-1)?.id as string;
    }
  }

  async delete(id: string): Promise<boolean> {
    return (await this.#query(`delete from ${this.table} where id = $1 returning id`, [id])).length > 0;
  }

  async close(): Promise<void> {
    await this.pool.end();
  }

  async #query(text: string, values: readonly unknown[]): Promise<readonly Record<string, unknown>[]> {
    this.#created ??= this.#create().catch((error) => {
      this.#created = undefined;
      throw error;
    });
    await this.#created;
    return (await this.pool.query(text, [...values])).rows;
  }

  /** Collation C orders ids by their bytes, so that the index of the key serves prefixes. */
  async #create(): Promise<void> {
    const create = `create table if not exists ${this.table} (
      id text collate "C" primary key,
      epoch text not null,
      version bigint not null,
      digest text not null,
      exported_at timestamptz not null,
      document text not null
    )`;
    try {
      await this.pool.query(create);
    } catch (error) {
      // Two servers created the table at once, which `if not exists` does not cover: a key, type or table exists already.
      if (!['23505', '42710', '42P07'].includes((error as { code?: string }).code ?? '')) throw error;
      await this.pool.query(create);
    }
  }
}
