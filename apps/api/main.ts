import 'reflect-metadata';
import { mkdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { CheckpointRounds, SinkConfig, SinkRelays } from '#audit';
import { eventConfig, EventRelays, EventRetention } from '#events';
import { AppLogger, batchedSink, createHttpApp } from '#http';
import { Jobs } from '#jobs';
import { ConfigError, readPrivateFile, readProcessConfig, StartError, type Values } from '#kernel';
import { mailConfig } from '#mail';
import { Housekeeping, Setup, SystemState, SystemWatch, WatchConfig } from '#platform';
import { inVault, MasterKey } from '#secrets';
import { AppModule } from './app.module.ts';
import { freeStart } from './free-start.ts';
import { type OpenDatabase, openDatabase } from './open-database.ts';
import {
  checkpointSigner,
  databaseLogins,
  type MasterKeys,
  type OpenVault,
  openVault,
  readMasterKeys,
} from './open-vault.ts';
import { settings } from './settings.ts';

type Config = Values<typeof settings>;

/** What a clean stop may take before the process ends itself. */
const STOP_WITHIN_MS = 9_000;

export async function main(args: readonly string[]): Promise<void> {
  try {
    const read = readProcessConfig(settings);
    const config = { ...read, dataDir: resolve(read.dataDir) };
    if (args[0] === 'migrate') await migrateOnly(config);
    else await serve(config);
  } catch (error) {
    console.error(explain(error));
    process.exitCode = 1;
  }
}

async function migrateOnly(config: Config): Promise<void> {
  const { server } = await openDatabase(config, (line) => console.log(line));
  await server?.stop();
  console.log('the database is up to date');
}

/** Starts the product. Stops everything, the embedded database last, on SIGTERM, SIGINT or a failure. */
async function serve(config: Config): Promise<void> {
  const logger = new AppLogger(batchedSink(), config.logLevel);
  const { database, server, keys } = await openStores(config, logger);
  let stopping: Promise<void> | undefined;
  let close = async (): Promise<void> => undefined;
  const stop = (code: number): void => {
    process.exitCode = code;
    stopping ??= close()
      .catch((error: unknown) => logger.error(error, 'stop'))
      .then(() => database.server?.stop())
      .catch((error: unknown) => logger.error(error, 'stop'))
      .finally(() => process.exit());
    setTimeout(() => process.exit(1), STOP_WITHIN_MS).unref();
  };
  process.on('SIGTERM', () => stop(0));
  process.on('SIGINT', () => stop(0));
  process.on('uncaughtException', (error) => {
    logger.fatal(error, 'process');
    stop(1);
  });
  try {
    const publicUrl =
      config.publicUrl ?? `${config.tlsCertFile ? 'https' : 'http'}://${config.host}:${config.port}`;
    mkdirSync(config.dataDir, { recursive: true });
    close = async () => server?.vault.close();
    const app = await createHttpApp(
      AppModule.with({
        database: {
          urls: database.urls,
          poolSize: config.databasePoolSize,
          credentials: databaseLogins(config, server),
          report: (error) => logger.warn(error, 'database'),
        },
        masterKey: keys.found ?? (await keys.make()),
        publicUrl,
        issuer: config.publicUrl,
        mail: mailConfig(config),
        audit: {
          checkpointSeconds: config.auditCheckpointSeconds,
          anchorDir: config.auditAnchorDir,
          signer: checkpointSigner(server),
        },
        secrets: {
          ages: config.secretAges,
          remote: server && config.secretStore === 'vault' ? inVault(server.vault, server.config) : undefined,
        },
        sinks: new SinkConfig(config.auditFileDir),
        egressAllow: config.egressAllow,
        events: eventConfig(config),
        summary: config.summary,
        watch: new WatchConfig(config.dataDir, config.diskReserveMegabytes),
      }),
      {
        logger,
        trustedProxies: config.trustedProxies,
        tls: readTls(config),
        onlyPaths: config.role === 'worker' ? ['/health', '/metrics'] : undefined,
      },
    );
    close = async () => {
      await app.close();
      await server?.vault.close();
    };
    await app.get(SystemState).open();
    await app.init();
    const watch = app.get(SystemWatch);
    await watch.start((error) => logger.error(error, 'system-watch'));
    void app
      .get(CheckpointRounds)
      .compare((error) => logger.error(error, 'audit'))
      // What it found closes the system at once.
      .then(() => watch.look())
      .catch((error: unknown) => logger.error(error, 'system-watch'));
    await app.get(Jobs).start({
      works: config.role !== 'api',
      report: (failure) => logger.error(failure, 'jobs'),
    });
    if (config.role !== 'api') {
      app.get(Housekeeping).start((error) => logger.error(error, 'housekeeping'));
      app.get(CheckpointRounds).start((error) => logger.error(error, 'audit'));
      app.get(SinkRelays).start((error) => logger.error(error, 'audit'));
      app.get(EventRelays).start((error) => logger.error(error, 'events'));
      app.get(EventRetention).start((error) => logger.error(error, 'events'));
    }
    const token = await app.get(Setup).offer(join(config.dataDir, 'setup-token'));
    freeStart();
    await app.listen(config.port, config.host);
    // What waits in the log goes first, so that the URL is the last thing to read.
    logger.flush();
    console.log(`Portcullis listens at ${publicUrl}`);
    if (token) console.log(`Set it up at ${publicUrl}/setup#${token}`);
  } catch (error) {
    console.error(explain(error));
    stop(1);
  }
}

/** The database, the server of secrets and the master key. Before all fit together nothing is migrated. */
async function openStores(
  config: Config,
  logger: AppLogger,
): Promise<{ database: OpenDatabase; server: OpenVault | undefined; keys: MasterKeys }> {
  let server: OpenVault | undefined;
  let keys: MasterKeys | undefined;
  const log = (line: string): void => logger.log(line, 'database');
  try {
    const database = await openDatabase(config, log, async (checkValue, urls) => {
      server = await openVault(config, urls, logger);
      keys = await readMasterKeys(config, server);
      MasterKey.requireFitting(keys.found, keys.path, checkValue);
    });
    if (!keys) throw new Error('the database was opened without its key');
    return { database, server, keys };
  } catch (error) {
    await server?.vault.close();
    throw error;
  }
}

function readTls(config: Config): { cert: Buffer; key: Buffer } | undefined {
  if (!config.tlsCertFile && !config.tlsKeyFile) return undefined;
  if (!config.tlsCertFile || !config.tlsKeyFile) {
    throw new ConfigError(['PORTCULLIS_TLS_CERT_FILE and PORTCULLIS_TLS_KEY_FILE go together']);
  }
  return { cert: readFileSync(config.tlsCertFile), key: readPrivateFile(config.tlsKeyFile) };
}

/**
 * One clear line where the configuration, the database or the machine is at fault (a port in use, a file that is
 * not there); the stack only for what nobody foresaw.
 */
function explain(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const foreseen = error instanceof StartError || error.name === 'SealError' || 'syscall' in error;
  return foreseen ? error.message : (error.stack ?? error.message);
}
