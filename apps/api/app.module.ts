import { type DynamicModule, Global, Module } from '@nestjs/common';
import { AccessModule } from '#access';
import { AuditModule } from '#audit';
import { AuthConfig, AuthModule } from '#auth';
import { DatabaseModule, type DatabaseOptions } from '#database';
import { HttpModule } from '#http';
import { JobsConfig, JobsModule } from '#jobs';
import { Clock, SystemClock } from '#kernel';
import { type MailConfig, MailModule } from '#mail';
import { OrgConfig, OrgsModule } from '#orgs';
import { PlatformModule } from '#platform';
import { type MasterKey, SecretsModule } from '#secrets';

export interface AppParts {
  readonly database: DatabaseOptions;
  readonly masterKey: MasterKey;
  readonly publicUrl: string;
  /** The `iss` of access tokens where it is configured. */
  readonly issuer: string | undefined;
  /** How mail leaves; without it none does. */
  readonly mail?: MailConfig | undefined;
  /** For tests; the system's where unsaid. */
  readonly clock?: Clock;
}

@Global()
@Module({})
class ClockModule {}

/** Every room, composed. */
@Module({})
export class AppModule {
  static with({
    database,
    masterKey,
    publicUrl,
    issuer,
    mail,
    clock = new SystemClock(),
  }: AppParts): DynamicModule {
    return {
      module: AppModule,
      imports: [
        { module: ClockModule, providers: [{ provide: Clock, useValue: clock }], exports: [Clock] },
        DatabaseModule.with(database),
        SecretsModule.with(masterKey),
        AccessModule,
        JobsModule.with(new JobsConfig(database.urls.system, masterKey)),
        MailModule.with(mail),
        AuditModule,
        AuthModule.with(new AuthConfig(issuer, publicUrl)),
        OrgsModule.with(new OrgConfig(publicUrl)),
        PlatformModule,
        HttpModule,
      ],
    };
  }
}
