/** Resolves references to secrets when they are used. The room that owns secrets stands above this one. */
export abstract class SinkSecrets {
  /**
   * The secret that `reference` (`secret://<path>#<field>[@version]`) names in this organization; each resolving is
   * in its log, with the purpose. Rejects with a Fault.
   */
  abstract resolve(
    orgId: string,
    reference: string,
    purpose: `sink:${string}`,
  ): Promise<{ reveal(): string }>;
}
