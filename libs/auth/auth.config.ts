/** What the auth room takes from the configuration. */
export class AuthConfig {
  constructor(
    /** The public URL of the deployment, which becomes the `iss` of access tokens; a URN of its id where unset. */
    readonly publicUrl: string | undefined,
    /** Where people reach the deployment, configured or not: its pages, and what passkeys are bound to. */
    readonly pagesAt: string,
  ) {}
}
