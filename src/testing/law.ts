/** Contracts as laws, which know of no test runner: whoever declares tests, with whatever, has each run. */

export interface Law<Subject> {
  readonly name: string;
  /** Makes the subjects that it needs, and destroys them. Rejects where the law does not hold. */
  readonly run: (make: () => Promise<Subject>) => Promise<void>;
}

/** A law that one subject shows. */
export function law<Subject extends { destroy(): Promise<void> }>(
  name: string,
  check: (subject: Subject) => Promise<void>,
): Law<Subject> {
  const run = async (make: () => Promise<Subject>) => {
    const subject = await make();
    try {
      await check(subject);
    } finally {
      await subject.destroy();
    }
  };
  return { name, run };
}
