import { type DynamicModule, Global, Module } from '@nestjs/common';
import { AccessModule, Openings } from '#access';
import {
  AuditConfig,
  AuditModule,
  type CheckpointSigner,
  RecordFollower,
  SinkConfig,
  SinkSecrets,
} from '#audit';
import { AuthConfig, AuthModule } from '#auth';
import { DatabaseModule, type DatabaseOptions } from '#database';
import { EventConfig, Events, EventSecrets, EventsModule } from '#events';
import { EgressModule } from '#egress';
import { HttpModule } from '#http';
import { IntakeModule, RolloutPrompts } from '#intake';
import { JobsConfig, JobsModule } from '#jobs';
import { Clock, SystemClock } from '#kernel';
import { type MailConfig, MailModule } from '#mail';
import { OrgConfig, OrgsModule } from '#orgs';
import { PlatformModule, WatchConfig } from '#platform';
import { ProjectionModule } from '#projection';
import { type Postures, RolloutModule, SourcePrompts } from '#rollout';
import { DEPLOYMENT, type MasterKey, SecretReferences, SecretsModule, type SecretsOptions } from '#secrets';

export interface AppParts {
  readonly database: DatabaseOptions;
  readonly masterKey: MasterKey;
  readonly publicUrl: string;
  /** The `iss` of access tokens where it is configured. */
  readonly issuer: string | undefined;
  /** How mail leaves; without it none does. */
  readonly mail?: MailConfig | undefined;
  /** Seconds between checkpoints of the audit logs, where they are published, and who signs them. */
  readonly audit?: {
    readonly checkpointSeconds: number;
    readonly anchorDir: string | undefined;
    readonly signer?: CheckpointSigner | undefined;
  };
  /** Where file sinks write, and how often relays do what. */
  readonly sinks?: SinkConfig;
  /** CIDR: networks that are not public and may still be reached. */
  readonly egressAllow?: readonly string[];
  /** Which store of secrets, and how long what lies elsewhere is used without it. */
  readonly secrets?: SecretsOptions;
  /** Whether summaries of the deployment’s posture are for everyone; guarded where unsaid. */
  readonly summary?: 'public' | 'guarded';
  /** What is watched for states in which nothing may be changed. */
  readonly watch?: WatchConfig;
  /** For tests; the store of secrets where unsaid. */
  readonly sinkSecrets?: SinkSecrets;
  /** For tests: what the projection says of surfaces. */
  readonly postures?: Postures;
  /** Where events go besides their log, and how long they are kept. */
  readonly events?: EventConfig;
  /** For tests: what hears of what Gitea says; rollouts where unsaid. */
  readonly rolloutPrompts?: RolloutPrompts;
  /** For tests; the system's where unsaid. */
  readonly clock?: Clock;
}

@Global()
@Module({})
class PortsModule {}

/** Every room, composed. */
@Module({})
export class AppModule {
  static with({
    database,
    masterKey,
    publicUrl,
    issuer,
    mail,
    audit = { checkpointSeconds: 60, anchorDir: undefined },
    sinks = new SinkConfig(),
    egressAllow = [],
    secrets,
    summary = 'guarded',
    watch = new WatchConfig(),
    sinkSecrets,
    events = new EventConfig(),
    postures,
    rolloutPrompts,
    clock = new SystemClock(),
  }: AppParts): DynamicModule {
    return {
      module: AppModule,
      imports: [
        {
          module: PortsModule,
          providers: [
            { provide: Clock, useValue: clock },
            { provide: Openings, useValue: new Openings(summary === 'public' ? ['summary'] : []) },
            rolloutPrompts
              ? { provide: RolloutPrompts, useValue: rolloutPrompts }
              : { provide: RolloutPrompts, useExisting: SourcePrompts },
            sinkSecrets
              ? { provide: SinkSecrets, useValue: sinkSecrets }
              : { provide: SinkSecrets, useExisting: SecretReferences },
            { provide: RecordFollower, useExisting: Events },
            {
              provide: EventSecrets,
              useFactory: (references: SecretReferences): EventSecrets => ({
                resolve: (reference, purpose) => references.resolve(DEPLOYMENT, reference, purpose),
              }),
              inject: [SecretReferences],
            },
          ],
          exports: [Clock, EventSecrets, Openings, RecordFollower, RolloutPrompts, SinkSecrets],
        },
        DatabaseModule.with(database),
        SecretsModule.with(masterKey, secrets),
        AccessModule,
        EgressModule.with(egressAllow),
        JobsModule.with(new JobsConfig(database.urls.system, masterKey)),
        MailModule.with(mail),
        AuthModule.with(new AuthConfig(issuer, publicUrl)),
        AuditModule.with(
          new AuditConfig(issuer, masterKey, audit.checkpointSeconds, audit.anchorDir, audit.signer),
          sinks,
        ),
        EventsModule.with(events),
        OrgsModule.with(new OrgConfig(publicUrl)),
        ProjectionModule,
        RolloutModule.with({ postures }),
        IntakeModule,
        PlatformModule.with(watch),
        HttpModule,
      ],
    };
  }
}
