/** The identity that a client certificate names. TLS has verified the certificate before. */
import { type Identity, nameProblem } from './identity.js';

/** The certificate in the form of Node's TLS. */
export interface Certificate {
  /** `URI:spiffe://prod/api, DNS:api.internal, email:"a, b"@example.com`; special characters as in JSON. */
  readonly subjectaltname?: string | undefined;
  /** `Mar  1 00:00:00 2027 GMT` */
  readonly valid_to: string;
}

/** The kinds of alternative names that may be an identity, the preferred kind first. */
const KINDS = ['URI', 'DNS', 'email'];

/** The alternative names of these kinds, in the order of preference. */
export function alternativeNames(subjectaltname: string): string[] {
  const found = [...subjectaltname.matchAll(/(?:^|, )([^:,"]+):("(?:[^"\\]|\\.)*"|[^,"]*)/g)];
  return KINDS.flatMap((kind) =>
    found.filter(([, each]) => each === kind).map(([, , text]) => (text!.startsWith('"') ? JSON.parse(text!) : text)),
  );
}

/** Undefined where the certificate has no such name. */
export function certificateIdentity({ subjectaltname = '', valid_to }: Certificate): Identity | undefined {
  const [name] = alternativeNames(subjectaltname);
  if (nameProblem(name)) return undefined;
  return { name: name!, kind: 'certificate', expiresAt: Date.parse(valid_to) };
}
