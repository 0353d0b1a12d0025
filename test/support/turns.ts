/** The turns of the event loop that other work gets while this work is under way. */
export async function turnsOf(work: Promise<unknown>): Promise<number> {
  let turns = 0;
  let over = false;
  const count = (): void => {
    turns++;
    if (!over) setImmediate(count);
  };
  setImmediate(count);
  try {
    await work;
  } finally {
    over = true;
  }
  return turns;
}
