/** What the orgs room takes from the configuration. */
export class OrgConfig {
  constructor(
    /** Where people reach the console. */
    readonly publicUrl: string,
  ) {}
}
