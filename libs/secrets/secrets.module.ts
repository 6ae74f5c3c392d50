import { type DynamicModule, type InjectionToken, Module, type Provider } from '@nestjs/common';
import { Audit } from '#audit';
import { Database, InvalidationStream } from '#database';
import { Clock } from '#kernel';
import { CachedStore } from './cache/cached-store.ts';
import { type SecretAges, secretAges } from './cache/secret-ages.ts';
import { StorePosture } from './cache/store-posture.ts';
import { EmbeddedStore } from './embedded/embedded-store.ts';
import { OrgKeys } from './keys/org-keys.ts';
import { MasterKey } from './master-key.ts';
import { MasterKeyController } from './rotation/rotation.controller.ts';
import { MasterKeyRotation } from './rotation/master-key-rotation.ts';
import { RotationHooks } from './schedule/rotation-hook.ts';
import { Rotations } from './schedule/rotations.ts';
import { RotationsController } from './schedule/rotations.controller.ts';
import { RotationWork } from './schedule/rotation-work.ts';
import { SecretReferences } from './references.ts';
import { SecretStore } from './secret-store.ts';
import { SecretsController } from './secrets.controller.ts';
import { Secrets } from './secrets.ts';
import { SecretLog } from './uses/secret-log.ts';

/** A store that lies elsewhere, and what it is made of. */
export interface RemoteStore {
  readonly providers?: Provider[];
  readonly inject: InjectionToken[];
  // What Nest hands in by these tokens.
  // oxlint-disable-next-line typescript/no-explicit-any
  readonly useFactory: (...parts: any[]) => SecretStore;
}

export interface SecretsOptions {
  /** The embedded store where unsaid. */
  readonly remote?: RemoteStore | undefined;
  readonly ages?: SecretAges | undefined;
}

const REMOTE = Symbol('the store that lies elsewhere');

@Module({})
export class SecretsModule {
  static with(key: MasterKey, { remote, ages = secretAges }: SecretsOptions = {}): DynamicModule {
    const longest = Math.max(...Object.values(ages).map(({ maxStaleMs }) => maxStaleMs));
    return {
      module: SecretsModule,
      global: true,
      controllers: [SecretsController, RotationsController, MasterKeyController],
      providers: [
        { provide: MasterKey, useValue: key },
        MasterKeyRotation,
        OrgKeys,
        SecretLog,
        EmbeddedStore,
        {
          provide: StorePosture,
          useFactory: (clock: Clock) => new StorePosture(clock, longest),
          inject: [Clock],
        },
        ...(remote
          ? [
              ...(remote.providers ?? []),
              { provide: REMOTE, inject: remote.inject, useFactory: remote.useFactory },
              {
                provide: SecretStore,
                useFactory: (
                  store: SecretStore,
                  database: Database,
                  audit: Audit,
                  stream: InvalidationStream,
                  clock: Clock,
                  posture: StorePosture,
                ) => new CachedStore(store, { database, audit, stream, clock, ages, posture }),
                inject: [REMOTE, Database, Audit, InvalidationStream, Clock, StorePosture],
              },
            ]
          : [{ provide: SecretStore, useExisting: EmbeddedStore }]),
        SecretReferences,
        Secrets,
        RotationHooks,
        Rotations,
        RotationWork,
      ],
      exports: [MasterKey, OrgKeys, SecretReferences, SecretStore, StorePosture],
    };
  }
}
