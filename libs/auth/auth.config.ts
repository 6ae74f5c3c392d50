/** What the auth room takes from the configuration. */
export class AuthConfig {
  constructor(
    /** The public URL of the deployment, which becomes the `iss` of access tokens; a URN of its id where unset. */
    readonly publicUrl: string | undefined,
    /** Where people reach the pages of the deployment. */
    readonly pagesAt: string,
  ) {}
}
