/** What the catalogue says of an action. */
export interface ActionEntry {
  readonly description: string;
  readonly retention: 'security' | 'administration' | 'access';
}
