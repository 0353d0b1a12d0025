/** Settings of authentication, and which of them belong together. */

export interface AccessSettings {
  /** Path of the token file; empty: none. */
  readonly authTokens: string;
  readonly authJwks: string;
  readonly authRules: string;
  readonly authJwtIssuer: string;
  readonly authJwtAudience: string;
  readonly authJwtAlgorithms: readonly string[];
  /** The claim that names the identity. */
  readonly authJwtClaim: string;
  /** Client certificates authenticate their owners. */
  readonly authCertificates: boolean;
  /** Authorities that sign client certificates. Empty: client certificates are not requested. */
  readonly tlsClientCa: string;
}

/** The suggestion where rules are missing: full rights for every authenticated caller are a decision, not a default. */
const ALL_RIGHTS = '{"identities":{"*":{"grants":[{"prefix":"","rights":["read","write","watch","admin","export"]}]}}}';

/** Whether callers must authenticate. If not, every caller may do everything. */
export function asksCallers({ authTokens, authJwks, authCertificates }: AccessSettings): boolean {
  return authTokens !== '' || authJwks !== '' || authCertificates;
}

/** Contradictions among the settings. */
export function settingsProblems(settings: AccessSettings): string[] {
  const { authJwks, authRules, authJwtIssuer, authJwtAudience } = settings;
  const problems: string[] = [];
  if (authJwks !== '') {
    if (authJwtIssuer === '') problems.push('authJwks needs authJwtIssuer: the issuer of accepted tokens ("iss")');
    if (authJwtAudience === '')
      problems.push('authJwks needs authJwtAudience: the audience of accepted tokens ("aud")');
  } else if (authJwtIssuer !== '' || authJwtAudience !== '') {
    problems.push('authJwtIssuer and authJwtAudience need authJwks: the keys to verify tokens with');
  }
  if (settings.authCertificates && settings.tlsClientCa === '') {
    problems.push('authCertificates needs tlsClientCa: the authorities that sign client certificates');
  }
  if (asksCallers(settings) && authRules === '') {
    problems.push(
      `authRules is missing: without rules every call is denied. A file that gives every identity all rights: ${ALL_RIGHTS}`,
    );
  }
  if (!asksCallers(settings) && authRules !== '') {
    problems.push('authRules needs authTokens, authJwks or authCertificates: authentication is off');
  }
  return problems;
}
