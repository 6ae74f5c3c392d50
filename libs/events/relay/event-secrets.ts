/** Resolves the deployment's own references to secrets. The room that owns secrets stands above this one. */
export abstract class EventSecrets {
  /** The secret of `secret://<path>#<field>`, of the platform organization; each resolving is in its log. */
  abstract resolve(reference: string, purpose: `events:${string}`): Promise<{ reveal(): string }>;
}
