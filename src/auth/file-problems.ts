/** All problems of a file, reported together. */
export class Problems extends Error {
  constructor(readonly list: readonly string[]) {
    super(list.join('\n'));
    this.name = 'Problems';
  }
}

/** @throws Problems */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Problems([`is not JSON: ${(error as Error).message}`]);
  }
}
