/** Client certificates: whom they name. The connection has verified them before. */
import { type Identity, nameProblem } from './identity.js';

/** As Node gives it. */
export interface Certificate {
  /** `URI:spiffe://prod/api, DNS:api.internal, email:"a, b"@example.com`; special characters as in JSON. */
  readonly subjectaltname?: string | undefined;
  /** `Mar  1 00:00:00 2027 GMT` */
  readonly valid_to: string;
}

/** The kinds of names that may be an identity; the first that a certificate has is its own. */
const KINDS = ['URI', 'DNS', 'email'];

/** The alternative names of the kinds above, by which a certificate names its owner, in the order of preference. */
export function alternativeNames(subjectaltname: string): string[] {
  const found = [...subjectaltname.matchAll(/(?:^|, )([^:,"]+):("(?:[^"\\]|\\.)*"|[^,"]*)/g)];
  return KINDS.flatMap((kind) =>
    found.filter(([, each]) => each === kind).map(([, , text]) => (text!.startsWith('"') ? JSON.parse(text!) : text)),
  );
}

/** Undefined: it names nobody. */
export function certificateIdentity({ subjectaltname = '', valid_to }: Certificate): Identity | undefined {
  const [name] = alternativeNames(subjectaltname);
  if (nameProblem(name)) return undefined;
  return { name: name!, kind: 'certificate', expiresAt: Date.parse(valid_to) };
}
