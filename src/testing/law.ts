/** Contracts as laws, which are independent of test runners: a test file runs each law as one test. */

export interface Law<Subject> {
  readonly name: string;
  /** Creates the subjects that the law needs, and destroys them. Rejects where the law does not hold. */
  readonly run: (make: () => Promise<Subject>) => Promise<void>;
}

/** A law that needs one subject. */
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
