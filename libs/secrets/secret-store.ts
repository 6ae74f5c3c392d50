import type { OrgTx, SystemTx } from '#database';
import type { Caller } from '#kernel';
import type { SecretReference } from './reference.ts';
import type { ResolvedSecret, Secret } from './secret.ts';

/** What the product itself reads a secret for, and for which of those: `sink:<id>`. */
export const purposeKinds = ['sink', 'webhook', 'identity_provider', 'mail', 'command', 'events'] as const;
export type PurposeKind = (typeof purposeKinds)[number];
export type Purpose = `${PurposeKind}:${string}`;

/** The product itself, at work for an organization. */
export interface Resolver {
  readonly orgId: string;
  readonly purpose: Purpose;
}

/** A secret by its id or by its path. */
export type Which = { readonly id: string } | { readonly path: string };

/** The values of a secret: field to text. */
export type Fields = Readonly<Record<string, string>>;

/** What is told of a secret without its values. */
export interface SecretSettings {
  readonly description: string;
  readonly tags: Readonly<Record<string, string>>;
  /** Older versions go when there are more. */
  readonly maxVersions: number;
  /** Whether every write must say which version it follows. */
  readonly casRequired: boolean;
}

export interface SecretMetadata extends SecretSettings {
  readonly id: string;
  readonly path: string;
  readonly currentVersion: number;
  readonly createdAt: Date;
  readonly updatedAt: Date;
  readonly deletedAt: Date | undefined;
}

export interface VersionMetadata {
  readonly version: number;
  /** Names, never values; none once it was destroyed. */
  readonly fields: readonly string[];
  readonly createdAt: Date;
  readonly deletedAt: Date | undefined;
  readonly destroyedAt: Date | undefined;
}

/** Which version of a secret is the newest. Numbers begin anew at a path whose secret was destroyed; the time does not. */
export interface NewestVersion {
  readonly version: number;
  readonly createdAt: Date;
}

export interface OpenedSecret {
  readonly id: string;
  readonly path: string;
  readonly version: number;
  readonly fields: ReadonlyMap<string, Secret>;
}

/** What a rotation wrote, and what was the newest version before. */
export interface Rotated {
  readonly path: string;
  readonly from: number;
  readonly to: number;
  /** Of the field that changed. */
  readonly digests: Readonly<Record<string, string>>;
}

export interface Retired {
  readonly path: string;
  readonly versions: readonly number[];
}

/** Where a value stands or stood, and who got it there. */
export interface FoundValue {
  readonly secretId: string;
  readonly path: string;
  readonly version: number;
  readonly field: string;
  readonly uses: readonly {
    readonly kind: 'revealed' | 'resolved';
    /** `user:<id>`, `api_key:<id>`, or the purpose. */
    readonly usedBy: string;
    readonly requestId: string;
    /** RFC 3339. */
    readonly at: string;
  }[];
}

/**
 * Where secrets lie. Every store answers the same in the same case (test/kit/store-conformance.ts runs over each),
 * records each use and change in the organization's log, and gives no value of which there is no record.
 * Faults of all: `secrets.not_found`; of what opens a value also `secrets.version_not_found`, `secrets.deleted`,
 * `secrets.destroyed`, `secrets.unreadable`; of all that lie elsewhere `secrets.unavailable`, which alone means that
 * the store did not say anything.
 */
export abstract class SecretStore {
  /** By path, from `after` on, those whose path is `prefix` or lies below it. */
  abstract list(
    caller: Caller,
    query: { readonly prefix?: string; readonly after?: string; readonly limit: number },
  ): Promise<SecretMetadata[]>;

  /** With its versions, newest first. */
  abstract describe(
    caller: Caller,
    which: Which,
  ): Promise<SecretMetadata & { readonly versions: readonly VersionMetadata[] }>;

  /**
   * The newest version of each of these paths that can be opened now, in a transaction of the caller. No value is read
   * and nothing recorded. What is not there, hidden, destroyed, or will hide itself is not among them.
   */
  abstract newest(
    tx: OrgTx | SystemTx,
    orgId: string,
    paths: readonly string[],
  ): Promise<ReadonlyMap<string, NewestVersion>>;

  /** Version 1 of a secret that was not there. Fault: `secrets.path_taken`. */
  abstract create(
    caller: Caller,
    path: string,
    fields: Fields,
    settings: SecretSettings,
  ): Promise<SecretMetadata>;

  /**
   * The next version. With `cas` only where that is the newest one now: of any number of writers who follow the same
   * version one wins. Faults: `secrets.version_conflict`, `secrets.cas_required`, `secrets.deleted`.
   */
  abstract write(caller: Caller, which: Which, fields: Fields, cas?: number): Promise<SecretMetadata>;

  abstract update(caller: Caller, which: Which, settings: Partial<SecretSettings>): Promise<SecretMetadata>;

  /** Opens a version (the newest where unsaid) for a person who asked. */
  abstract reveal(caller: Caller, which: Which, version?: number): Promise<OpenedSecret>;

  /** Opens one field for the product itself. Fault, beside those of all: `secrets.field_not_found`. */
  abstract resolve(resolver: Resolver, reference: SecretReference): Promise<ResolvedSecret>;

  /** Hides the named versions, or the secret as a whole where none is named, until it is undeleted. */
  abstract remove(caller: Caller, which: Which, versions?: readonly number[]): Promise<void>;

  abstract undelete(caller: Caller, which: Which, versions?: readonly number[]): Promise<void>;

  /** Erases the named versions, or the secret as a whole where none is named. Nothing brings them back. */
  abstract destroy(caller: Caller, which: Which, versions?: readonly number[]): Promise<void>;

  /** With the organization, in the same transaction: nothing of it is given from then on. */
  abstract forget(tx: SystemTx, caller: Caller, orgId: string): Promise<void>;

  /**
   * The next version, written by the product itself: the newest one with one field changed; the one before is kept.
   * `alongside` runs in the transaction of what is recorded: where it rejects, this does, and nothing is written.
   */
  abstract rotate(
    what: {
      readonly orgId: string;
      readonly secretId: string;
      readonly field: string;
      readonly value: string;
    },
    alongside: (tx: SystemTx, done: Rotated) => Promise<void>,
  ): Promise<void>;

  /** Hides the versions before the one that a rotation wrote, as `remove` does: those that are left. */
  abstract retire(
    what: { readonly orgId: string; readonly secretId: string; readonly before: number },
    alongside: (tx: SystemTx, done: Retired) => Promise<void>,
  ): Promise<void>;

  /**
   * Whether a store that lies elsewhere answers, without opening anything: rejects where it does not. The embedded
   * one is as well as the database, which is asked anyway.
   */
  probe?(): Promise<void>;

  /** Where a value that may have leaked was kept and used, destroyed versions included. It is not stored. */
  abstract find(caller: Caller, value: string): Promise<readonly FoundValue[]>;
}
