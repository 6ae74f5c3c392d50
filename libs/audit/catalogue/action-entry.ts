/** What the catalogue says of one action; see actions.ts. */
export interface ActionEntry {
  readonly description: string;
  readonly retention: 'security' | 'administration' | 'access';
}
