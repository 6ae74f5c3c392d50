/** What the auth room takes from the configuration. */
export class AuthConfig {
  constructor(
    /** The `iss` of access tokens: the public URL of the deployment. */
    readonly issuer: string,
  ) {}
}
