/** Reads the contents of a data directory without LMDB and without changing them: for tools, not for serving. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { ChordError } from '../../../model/errors.js';
import { checkStored, FORMAT_KEY, foreign, NAMES } from '../schema.js';
import { type BTree, EMPTY, PageFile } from './pages.js';
import { Walk } from './walk.js';

export interface Entry {
  readonly key: Buffer;
  /** Throws DATA_LOSS where the value cannot be read. */
  value(): Buffer;
}

export class Contents {
  private constructor(
    private readonly file: PageFile,
    private readonly walk: Walk,
    private readonly trees: ReadonlyMap<string, BTree>,
    private readonly onDamage: (error: ChordError) => void,
  ) {}

  /**
   * Opens a directory, which no process may write to meanwhile. `onDamage` receives each damaged page when it is read.
   * Throws FAILED_PRECONDITION where there is no data, or it is not Chord's; DATA_LOSS where the file header is damaged.
   */
  static open(directory: string, onDamage: (error: ChordError) => void): Contents {
    const file = new PageFile(requireData(directory));
    try {
      const walk = new Walk(file, onDamage);
      const trees = new Map<string, BTree>();
      let format: Buffer | undefined;
      let entries = 0;
      for (const node of walk.records(file.meta.main)) {
        entries++;
        const tree = file.tree(node);
        if (tree && tree.flags !== 0) onDamage(new ChordError('DATA_LOSS', `database ${node.key} is of another kind`));
        if (tree) trees.set(node.key.toString().replace(/\0$/, ''), tree);
        else if (node.key.equals(FORMAT_KEY) && node.value) format = file.read(node.value);
      }
      if (format) checkStored(format, directory);
      else if (entries > 0) throw foreign(directory);
      file.checkMetas();
      const wanted = file.meta.main.entries;
      if (entries !== wanted)
        onDamage(new ChordError('DATA_LOSS', `it should hold ${wanted} databases and records, and holds ${entries}`));
      const known = new Set<string>(Object.values(NAMES));
      for (const name of trees.keys()) {
        if (!known.has(name)) onDamage(new ChordError('DATA_LOSS', `unknown database ${JSON.stringify(name)}`));
      }
      return new Contents(file, walk, trees, onDamage);
    } catch (error) {
      file.close();
      throw error;
    }
  }

  get bytes(): number {
    return this.file.size;
  }

  /** The number of records that the database should have. */
  count(database: keyof typeof NAMES): number {
    return this.#tree(database).entries;
  }

  /** All records in the order of their keys; once per database. Reports a number of records that differs from `count`. */
  *entries(database: keyof typeof NAMES): Generator<Entry> {
    let found = 0;
    for (const { key, value } of this.walk.records(this.#tree(database))) {
      found++;
      if (value?.isDatabase) {
        this.onDamage(new ChordError('DATA_LOSS', `a record of ${NAMES[database]} is marked as a database`));
      }
      yield { key, value: () => this.file.read(value!) };
    }
    const wanted = this.count(database);
    if (found === wanted) return;
    this.onDamage(
      new ChordError('DATA_LOSS', `${NAMES[database]} should have ${wanted} records, ${found} can be read`),
    );
  }

  has(database: keyof typeof NAMES, key: Buffer): boolean {
    return this.walk.find(this.#tree(database), key) !== null;
  }

  get(database: keyof typeof NAMES, key: Buffer): Buffer | null {
    const value = this.walk.find(this.#tree(database), key);
    return value && this.file.read(value);
  }

  /** Checks the pages that LMDB would write to next; call it after all records were read. */
  checkFree(): void {
    this.walk.checkFree();
  }

  close(): void {
    this.file.close();
  }

  #tree(database: keyof typeof NAMES): BTree {
    // A server that was stopped directly after creating the file has not created all databases.
    return this.trees.get(NAMES[database]) ?? EMPTY;
  }
}

/** The path of the data file. Throws FAILED_PRECONDITION where it does not exist. */
export function requireData(directory: string): string {
  const path = join(directory, 'data.mdb');
  if (existsSync(path)) return path;
  throw new ChordError('FAILED_PRECONDITION', `there is no data.mdb in ${directory}`);
}
