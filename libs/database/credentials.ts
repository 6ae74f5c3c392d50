/** The roles that serve; the owner, which migrates, is not among them. */
export type ServingRole = 'app' | 'system';

/** How a role signs in for a while. */
export interface DatabaseLogin {
  readonly user: string;
  readonly password: string;
  /** Milliseconds until the user ends, or until a user that lasts gets another password. */
  readonly validMs: number;
  /** Ends a user that was made for this login; absent for one that lasts. */
  readonly end?: () => Promise<void>;
}

/** Gives logins to the pools of the product, each good for a while only. Whoever keeps them stands above this room. */
export abstract class DatabaseCredentials {
  /** The present one of a user that lasts; else a user of its own, a member of the role. */
  abstract login(role: ServingRole): Promise<DatabaseLogin>;
}
