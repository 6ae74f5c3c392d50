import type { ChildProcess } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type EmbeddedServer, startEmbeddedServer } from '#database';
import { Client } from './client.ts';
import { answers, type Cores, freePort, pidOf, pinSelf, start, stop } from './processes.ts';

export interface Person {
  readonly email: string;
  readonly password: string;
}

export interface SignedIn {
  readonly accessToken: string;
  readonly session: { readonly id: string };
  readonly organization: { readonly id: string };
}

/** One process of the product. */
export interface Replica {
  readonly child: ChildProcess;
  readonly pid: number;
  readonly port: number;
  readonly client: Client;
}

export const owner: Person & { name: string } = {
  email: 'olga@bench.example',
  name: 'Olga Owner',
  password: 'correct horse battery staple 1',
};

/** PostgreSQL as it is shipped, durable commits and all, on a directory that ends with the benchmark. */
export class TemporaryDatabase {
  private constructor(
    readonly directory: string,
    readonly server: EmbeddedServer,
  ) {}

  static async start(on: Cores): Promise<TemporaryDatabase> {
    pinSelf(on);
    const directory = mkdtempSync(join(tmpdir(), 'portcullis-bench-'));
    chmodSync(directory, 0o711);
    return new TemporaryDatabase(
      directory,
      await startEmbeddedServer({ dataDir: directory, log: () => undefined }),
    );
  }

  async stop(): Promise<void> {
    await this.server.stop();
    rmSync(this.directory, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** The built product on a database of its own: set up, with an owner, and replicas as many as are asked for. */
export class Deployment {
  readonly #replicas = new Set<Replica>();
  readonly dataDir: string;

  private constructor(
    readonly database: TemporaryDatabase,
    private readonly env: Record<string, string>,
  ) {
    this.dataDir = join(database.directory, 'product');
    mkdirSync(this.dataDir);
  }

  static async start(
    databaseOn: Cores,
    productOn: Cores,
    env: Record<string, string> = {},
  ): Promise<{ deployment: Deployment; first: Replica }> {
    const deployment = new Deployment(await TemporaryDatabase.start(databaseOn), env);
    try {
      const first = await deployment.replica(productOn, 'all');
      const token = readFileSync(join(deployment.dataDir, 'setup-token'), 'utf8').trim();
      const organization = { name: 'Bench', slug: 'bench' };
      await first.client.expect(201, 'POST', '/api/v1/setup', undefined, { token, organization, owner });
      return { deployment, first };
    } catch (error) {
      await deployment.stop();
      throw error;
    }
  }

  /** One more process; its access log goes to a file, as in production. */
  async replica(on: Cores, role: 'all' | 'api' = 'api', nodeOptions: string[] = []): Promise<Replica> {
    const port = await freePort();
    const log = join(this.database.directory, `product-${port}.log`);
    const child = start(on, [process.execPath, ...nodeOptions, 'apps/start.mjs'], {
      log,
      env: {
        ...this.env,
        PORT: String(port),
        PORTCULLIS_DATA_DIR: this.dataDir,
        PORTCULLIS_ROLE: role,
        DATABASE_URL: this.database.server.adminUrl,
      },
    });
    const fresh = !existsSync(join(this.dataDir, 'setup-token')) && role === 'all';
    await answers(child, `http://127.0.0.1:${port}/health${fresh ? '' : '/ready'}`, log);
    const replica = { child, pid: pidOf(child), port, client: new Client(port) };
    this.#replicas.add(replica);
    return replica;
  }

  async stopReplica(replica: Replica): Promise<void> {
    replica.client.close();
    this.#replicas.delete(replica);
    await stop(replica.child);
  }

  async stop(): Promise<void> {
    for (const replica of this.#replicas) await this.stopReplica(replica);
    await this.database.stop();
  }
}

export async function signIn(client: Client, { email, password }: Person): Promise<SignedIn> {
  return client.expect(200, 'POST', '/api/v1/auth/login', undefined, { email, password });
}

/** People with a password, by invitation, as an administrator would bring them in. */
export async function invite(client: Client, count: number): Promise<Person[]> {
  const { accessToken, organization } = await signIn(client, owner);
  const people: Person[] = [];
  for (let i = 0; i < count; i += 1) {
    const person = { email: `member${i}@bench.example`, password: `quiet river stone lantern ${i}` };
    const { token } = await client.expect<{ token: string }>(
      201,
      'POST',
      `/api/v1/orgs/${organization.id}/invitations`,
      accessToken,
      { email: person.email, role: 'viewer' },
    );
    await client.expect(201, 'POST', '/api/v1/auth/invitations/accept', undefined, {
      token,
      name: `Member ${i}`,
      password: person.password,
    });
    people.push(person);
  }
  return people;
}
