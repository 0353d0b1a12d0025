/** An issuer of signed tokens. */
import { exportJWK, type GenerateKeyPairResult, generateKeyPair, type JWK, SignJWT } from 'jose';

export const ISSUER = 'https://login.example.com/';
export const AUDIENCE = 'chord';

export class Issuer {
  private constructor(
    readonly kid: string,
    readonly algorithm: string,
    readonly jwk: JWK,
    private readonly key: GenerateKeyPairResult['privateKey'],
  ) {}

  static async create(kid: string, algorithm = 'ES256'): Promise<Issuer> {
    const { publicKey, privateKey } = await generateKeyPair(algorithm, { extractable: true });
    return new Issuer(kid, algorithm, { ...(await exportJWK(publicKey)), kid, use: 'sig' }, privateKey);
  }

  /** As the server's file wants them. */
  static jwks(...issuers: readonly Issuer[]): string {
    return JSON.stringify({ keys: issuers.map(({ jwk }) => jwk) });
  }

  /**
   * A token of a name. What is undefined in `claims` is left out.
   * @param until in seconds since 1970
   */
  sign(
    sub: string,
    claims: Record<string, unknown> = {},
    until = Math.floor(Date.now() / 1000) + 3600,
    header = {},
  ): Promise<string> {
    return new SignJWT({ iss: ISSUER, aud: AUDIENCE, sub, exp: until, ...claims })
      .setProtectedHeader({ alg: this.algorithm, kid: this.kid, ...header })
      .sign(this.key);
  }
}
