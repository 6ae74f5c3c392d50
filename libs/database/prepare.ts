import { createHmac, hash, pbkdf2Sync, randomBytes } from 'node:crypto';
import pg from 'pg';
import { StartError } from '#kernel';

/** How each of the product's three roles connects. */
export interface DatabaseUrls {
  /** Owns the product's objects and migrates them. */
  readonly owner: string;
  /** Serves requests; row-level security binds it. */
  readonly app: string;
  /** Works across organizations, each time with a reason; row-level security binds it too. */
  readonly system: string;
}

type Part = keyof DatabaseUrls;

export const roles = {
  owner: 'portcullis_owner',
  app: 'portcullis_app',
  system: 'portcullis_system',
} as const satisfies Record<Part, string>;

/** The schema that holds everything the product stores. */
export const SCHEMA = 'portcullis';

const parts = Object.keys(roles) as Part[];
const variables = {
  owner: 'PORTCULLIS_DATABASE_OWNER_URL',
  app: 'PORTCULLIS_DATABASE_APP_URL',
  system: 'PORTCULLIS_DATABASE_SYSTEM_URL',
} as const satisfies Record<Part, string>;

const OLDEST = 15;
/** Replicas that start at once on one database prepare it one after another. */
const PREPARE_LOCK = 7_046_029_254_386_353;
/** What no role of ours may have: each of these walks past row-level security or leads to a role that does. */
const POWERS = `array_remove(array[
  case when rolsuper then 'SUPERUSER' end, case when rolbypassrls then 'BYPASSRLS' end,
  case when rolcreaterole then 'CREATEROLE' end, case when rolcreatedb then 'CREATEDB' end,
  case when rolreplication then 'REPLICATION' end], null)`;

/** The database cannot be used as configured. One line that names the variable; never a password. */
export class DatabaseSetupError extends StartError {
  constructor(variable: string, problem: string, cause?: unknown) {
    super(`${variable}: ${problem}`, { cause });
    this.name = 'DatabaseSetupError';
  }
}

/**
 * Makes the database ready for the product: the three roles, the schema, and nothing for everybody else.
 * Safe to run from many replicas at once, and again on every start.
 *
 * The roles' passwords derive from the one in `adminUrl`, so that all replicas know them without sharing a
 * file; when that one is changed, the next start changes these. `appUrls` names roles somebody else prepared,
 * for databases whose DATABASE_URL may not create any.
 */
export async function prepareDatabase(
  adminUrl: string,
  appUrls?: Partial<DatabaseUrls>,
): Promise<DatabaseUrls> {
  const admin = await connect('DATABASE_URL', adminUrl);
  try {
    await refuseOldServer(admin);
    const given = givenUrls(appUrls);
    // Shared with no other use, and gone with the connection should this process die.
    await admin.query('select pg_advisory_lock($1)', [PREPARE_LOCK]);
    const urls = given ?? (await prepareRoles(admin, adminUrl));
    await revokePublic(admin);
    await prepareSchema(urls.owner, given ? variables.owner : 'DATABASE_URL');
    for (const part of parts) await verifyRole(part, urls[part], given ? variables[part] : 'DATABASE_URL');
    return urls;
  } finally {
    await admin.end().catch(() => undefined);
  }
}

async function refuseOldServer(admin: pg.Client): Promise<void> {
  const { rows } = await admin.query<{ server_version_num: string }>('show server_version_num');
  const major = Math.floor(Number(rows[0]?.server_version_num) / 10_000);
  if (major >= OLDEST) return;
  throw new DatabaseSetupError(
    'DATABASE_URL',
    `the server is PostgreSQL ${major}; Portcullis needs ${OLDEST} or newer`,
  );
}

/** All three URLs or none: two of three would be a mistake that only shows later. */
function givenUrls(urls: Partial<DatabaseUrls> = {}): DatabaseUrls | undefined {
  const missing = parts.filter((part) => !urls[part]);
  const [first] = missing;
  if (first === undefined) return urls as DatabaseUrls;
  if (missing.length === parts.length) return undefined;
  throw new DatabaseSetupError(
    variables[first],
    'is not set; the three URLs are given together or not at all',
  );
}

async function prepareRoles(admin: pg.Client, adminUrl: string): Promise<DatabaseUrls> {
  const key = passwordOf(adminUrl);
  const { rows } = await admin.query<{ able: boolean; database: string }>(
    `select rolsuper or rolcreaterole as able, current_database() as database from pg_roles where rolname = current_user`,
  );
  if (!rows[0]?.able)
    throw new DatabaseSetupError('DATABASE_URL', unableToCreate(rows[0]?.database ?? 'the database'));
  if (key === '') {
    throw new DatabaseSetupError(
      'DATABASE_URL',
      `has no password, which those of the roles derive from; add one, or set ${Object.values(variables).join(', ')}`,
    );
  }
  const urls = derivedUrls(adminUrl, key);
  for (const part of parts) await ensureRole(admin, part, urls[part]);
  await asAdmin(`grant create on the database to ${roles.owner}`, () =>
    grantDatabase(admin, rows[0]?.database ?? ''),
  );
  return urls;
}

/** What a database grants its roles by itself; PostgreSQL does not copy this from a template database. */
export async function grantDatabase(admin: pg.Client, database: string): Promise<void> {
  const name = pg.escapeIdentifier(database);
  await retrying(() =>
    admin.query(
      // A temporary table stands before ours in every search path, and stays with its pooled connection.
      `revoke temporary on database ${name} from public;
       grant connect, create on database ${name} to ${roles.owner};
       grant connect on database ${name} to ${roles.app}, ${roles.system}`,
    ),
  );
}

function derivedUrls(adminUrl: string, key: string): DatabaseUrls {
  const derive = (part: Part) => {
    const url = new URL(adminUrl);
    url.username = roles[part];
    url.password = createHmac('sha256', key).update(`portcullis:${roles[part]}`).digest('base64url');
    if (url.username !== roles[part]) throw new DatabaseSetupError('DATABASE_URL', 'must name a host');
    // In the connection, not the role: it holds in every database, also one cloned or restored.
    const options = [url.searchParams.get('options'), `-c search_path=${SCHEMA}`].filter(Boolean).join(' ');
    url.searchParams.set('options', options);
    // psql and pg_dump do not read + as a blank.
    url.search = url.search.replaceAll('+', '%20');
    return url.href;
  };
  return { owner: derive('owner'), app: derive('app'), system: derive('system') };
}

function passwordOf(url: string): string {
  return URL.canParse(url) ? decodeURIComponent(new URL(url).password) : '';
}

/** Roles belong to the whole server, so another database's start may be creating the same one right now. */
async function ensureRole(admin: pg.Client, part: Part, url: string): Promise<void> {
  const role = roles[part];
  const password = passwordOf(url);
  const doing = `create or alter the role ${role}`;
  await asAdmin(doing, () =>
    retrying(async () => {
      const { rows } = await admin.query<{ powers: string[] }>(
        `select ${POWERS} as powers from pg_roles where rolname = $1`,
        [role],
      );
      const powers = rows[0]?.powers;
      if (!powers) {
        // A new role has none of the powers.
        await admin.query(`create role ${role} login password ${scramVerifier(password)}`);
      } else if (powers.length > 0) {
        // Only those it has: taking SUPERUSER from a role that lacks it needs a superuser all the same.
        await admin.query(
          `alter role ${role} ${powers.map((power) => `no${power.toLowerCase()}`).join(' ')}`,
        );
      }
    }),
  );
  if (await canSignIn(url)) return;
  await asAdmin(doing, () =>
    retrying(() => admin.query(`alter role ${role} login password ${scramVerifier(password)}`)),
  );
  // What still fails now fails with its reason.
  await (await connect('DATABASE_URL', url)).end();
}

async function canSignIn(url: string): Promise<boolean> {
  const client = clientOf(url);
  try {
    await client.connect();
    return true;
  } catch (error) {
    if (['28P01', '28000'].includes(codeOf(error))) return false;
    throw new DatabaseSetupError('DATABASE_URL', explain(error), error);
  } finally {
    await client.end().catch(() => undefined);
  }
}

/**
 * The password as the server would store it (SCRAM-SHA-256, RFC 5803), as an SQL literal: servers log the
 * text of statements, so a password itself never stands in one.
 */
function scramVerifier(password: string): string {
  const iterations = 4096;
  const salt = randomBytes(16);
  const salted = pbkdf2Sync(password, salt, iterations, 32, 'sha256');
  const keyOf = (name: string) => createHmac('sha256', salted).update(name).digest();
  const stored = hash('sha256', keyOf('Client Key'), 'base64');
  const server = keyOf('Server Key').toString('base64');
  return pg.escapeLiteral(`SCRAM-SHA-256$${iterations}:${salt.toString('base64')}$${stored}:${server}`);
}

/** Databases that were made before PostgreSQL 15 let everybody create objects in `public`. */
async function revokePublic(admin: pg.Client): Promise<void> {
  const open = async () => {
    const { rowCount } = await admin.query(
      `select from pg_namespace, aclexplode(nspacl) as entry
       where nspname = 'public' and entry.grantee = 0 and entry.privilege_type = 'CREATE'`,
    );
    return rowCount !== 0;
  };
  if (!(await open())) return;
  await asAdmin('revoke create on schema public from public', () =>
    retrying(() => admin.query('revoke create on schema public from public')),
  );
  // For a role that may not, PostgreSQL warns and goes on.
  if (await open()) {
    throw new DatabaseSetupError(
      'DATABASE_URL',
      'everybody may create objects in the schema public; run as its owner: REVOKE CREATE ON SCHEMA public FROM PUBLIC',
    );
  }
}

/** The owner itself makes the schema: the admin need not be a superuser, nor a member of the owner. */
async function prepareSchema(ownerUrl: string, variable: string): Promise<void> {
  const owner = await connect(variable, ownerUrl);
  try {
    const ownerOf = async () => {
      const { rows } = await owner.query<{ owner: string }>(
        `select pg_get_userbyid(nspowner) as owner from pg_namespace where nspname = $1`,
        [SCHEMA],
      );
      return rows[0]?.owner;
    };
    if ((await ownerOf()) === undefined) {
      await asAdmin(`create the schema ${SCHEMA}`, () => owner.query(`create schema ${SCHEMA}`), variable);
    }
    const found = await ownerOf();
    if (found !== roles.owner) {
      throw new DatabaseSetupError(
        variable,
        `the schema ${SCHEMA} belongs to ${found}; it must belong to ${roles.owner}`,
      );
    }
    await retrying(() => owner.query(`grant usage on schema ${SCHEMA} to ${roles.app}, ${roles.system}`));
  } finally {
    await owner.end().catch(() => undefined);
  }
}

/**
 * Fails closed where a role has more than it should, whoever made it: row-level security binds neither
 * superusers nor BYPASSRLS, and an owner or a member of one may switch it off.
 */
async function verifyRole(part: Part, url: string, variable: string): Promise<void> {
  const client = await connect(variable, url);
  try {
    const { rows } = await client.query<{ name: string; powers: string[]; member: string[]; owns: boolean }>(
      `select role.rolname as name,
              ${POWERS} as powers,
              array(select roleid::regrole::text from pg_auth_members where member = role.oid) as member,
              exists (select from pg_shdepend
                      where refclassid = 'pg_authid'::regclass and refobjid = role.oid and deptype = 'o') as owns
       from pg_roles as role where role.rolname = session_user`,
    );
    const found = rows[0];
    const role = roles[part];
    const refuse = (problem: string) => {
      throw new DatabaseSetupError(variable, problem);
    };
    if (found?.name !== role) return refuse(`signs in as ${found?.name}; it must sign in as ${role}`);
    if (found.powers.length > 0) refuse(`the role ${role} must not have ${found.powers.join(', ')}`);
    if (part !== 'owner' && found.member.length > 0) {
      refuse(`the role ${role} must not be a member of ${found.member.join(', ')}`);
    }
    if (part !== 'owner' && found.owns) refuse(`the role ${role} owns database objects; it must own nothing`);
    const { rows: paths } = await client.query<{ schema: string | null }>(
      'select current_schema() as schema',
    );
    if (paths[0]?.schema !== SCHEMA) refuse(`must end with ?options=-c%20search_path%3D${SCHEMA}`);
  } finally {
    await client.end().catch(() => undefined);
  }
}

function unableToCreate(database: string): string {
  const name = pg.escapeIdentifier(database);
  return (
    `its role may not create roles. Let it (ALTER ROLE ... CREATEROLE), or run as a superuser: ` +
    parts.map((part) => `CREATE ROLE ${roles[part]} LOGIN PASSWORD '...'; `).join('') +
    `GRANT CREATE ON DATABASE ${name} TO ${roles.owner}; and set ${Object.values(variables).join(', ')}`
  );
}

/** A refusal for want of rights, in words that say what the rights are for. */
async function asAdmin<T>(doing: string, work: () => Promise<T>, variable = 'DATABASE_URL'): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (codeOf(error) !== '42501') throw error;
    throw new DatabaseSetupError(variable, `its role may not ${doing} (${(error as Error).message})`, error);
  }
}

/**
 * Advisory locks end at the database, roles and their grants do not: two databases of one server prepared at
 * the same time meet in the shared catalogues, and the loser tries again.
 */
async function retrying<T>(work: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work();
    } catch (error) {
      const lost =
        ['42710', '23505', '40001'].includes(codeOf(error)) ||
        (codeOf(error) === 'XX000' && /tuple concurrently (updated|deleted)/.test((error as Error).message));
      if (!lost || attempt === 20) throw error;
      await new Promise((done) => setTimeout(done, 10 + Math.random() * 40));
    }
  }
}

/** A client that does not bring the process down when its server goes away. */
function clientOf(url: string): pg.Client {
  const client = new pg.Client({
    connectionString: url,
    connectionTimeoutMillis: 10_000,
    application_name: 'portcullis-prepare',
  });
  client.on('error', () => undefined);
  return client;
}

async function connect(variable: string, url: string): Promise<pg.Client> {
  if (!URL.canParse(url))
    throw new DatabaseSetupError(variable, 'is not a URL (postgresql://user:password@host/database)');
  const client = clientOf(url);
  try {
    await client.connect();
    return client;
  } catch (error) {
    await client.end().catch(() => undefined);
    throw new DatabaseSetupError(variable, explain(error), error);
  }
}

function codeOf(error: unknown): string {
  return (error as { code?: string } | undefined)?.code ?? '';
}

function explain(error: unknown): string {
  switch (codeOf(error)) {
    case 'ECONNREFUSED':
      return 'no server takes connections at this host and port';
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return 'the host name is not known';
    case '28P01':
      return 'the server does not accept this user and password';
    case '3D000':
      return 'the server has no database of this name';
    case '53300':
      return 'the server has no connection left';
    case '57P03':
      return 'the server is starting up or shutting down';
    default:
      // The server's own words, on one line. They hold no password: the client never sends one in the clear.
      return `cannot connect (${(error as Error).message.replaceAll(/\s+/g, ' ')})`;
  }
}
