/** Resolves references to secrets when they are used. Implemented by the room that owns secrets. */
export abstract class SinkSecrets {
  /**
   * The secret that `reference` (`secret://…`) names, of this organization. `purpose` stands in the
   * record of the resolving. Rejects with a Fault.
   */
  abstract resolve(orgId: string, reference: string, purpose: `sink:${string}`): Promise<string>;
}

/** Where no store of secrets is there: a sink that needs one does not deliver, and says why. */
export class NoSecrets extends SinkSecrets {
  override async resolve(): Promise<string> {
    throw Object.assign(new Error('there is no store of secrets'), { code: 'SECRETS_UNAVAILABLE' });
  }
}
