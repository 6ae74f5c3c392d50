import { execFileSync } from 'node:child_process';
import { chmodSync, chownSync, existsSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from './ports.ts';

const HOME = '/usr/lib/postgresql';

/** Where Debian has the programs of the newest PostgreSQL that is installed with its server. */
const programs = (existsSync(HOME) ? readdirSync(HOME) : [])
  .sort((a, b) => Number(b) - Number(a))
  .map((version) => join(HOME, version, 'bin'))
  .find((folder) =>
    ['initdb', 'pg_ctl', 'pg_dump', 'pg_restore'].every((name) => existsSync(join(folder, name))),
  );

/** Why there can be none here; undefined where there can. */
export const systemPostgresMissing =
  programs === undefined ? 'PostgreSQL with pg_dump is not installed (Debian: postgresql)' : undefined;

/** A PostgreSQL that the embedded one is not: another version, with the programs that operators back it up with. */
export class SystemPostgres {
  private constructor(
    private readonly directory: string,
    private readonly port: number,
  ) {}

  /** Below `directory`, which the server's user must be able to pass through. */
  static async start(directory: string): Promise<SystemPostgres> {
    const made = new SystemPostgres(join(directory, 'postgres'), await freePort());
    mkdirSync(made.directory);
    const user = serverUser();
    if (user) chownSync(made.directory, user.uid, user.gid);
    chmodSync(made.directory, 0o700);
    made.#asServer(
      'initdb',
      '-D',
      made.directory,
      '-U',
      'postgres',
      '-A',
      'trust',
      '-E',
      'UTF8',
      '--no-sync',
    );
    made.#asServer(
      'pg_ctl',
      '-D',
      made.directory,
      '-w',
      '-l',
      join(made.directory, 'log'),
      '-o',
      `-p ${made.port} -h 127.0.0.1 -k ${made.directory} -F`,
      'start',
    );
    return made;
  }

  /** Of the superuser; the server asks for no password, but the product derives those of its roles from one. */
  urlOf(database: string): string {
    return `postgresql://postgres:any@127.0.0.1:${this.port}/${database}`;
  }

  create(database: string): void {
    this.#run('createdb', this.urlOf('postgres'), database);
  }

  drop(database: string): void {
    this.#run('dropdb', this.urlOf('postgres'), '--force', database);
  }

  dump(database: string, file: string): void {
    execFileSync(join(programs ?? '', 'pg_dump'), ['-Fc', '-f', file, this.urlOf(database)], {
      stdio: 'pipe',
    });
  }

  restore(database: string, file: string): void {
    const args = ['--exit-on-error', '-d', this.urlOf(database), file];
    execFileSync(join(programs ?? '', 'pg_restore'), args, { stdio: 'pipe' });
  }

  stop(): void {
    this.#asServer('pg_ctl', '-D', this.directory, '-m', 'immediate', '-w', 'stop');
  }

  #run(program: string, url: string, ...args: string[]): void {
    execFileSync(join(programs ?? '', program), ['--maintenance-db', url, ...args], { stdio: 'pipe' });
  }

  #asServer(program: string, ...args: string[]): void {
    execFileSync(join(programs ?? '', program), args, { stdio: 'ignore', cwd: '/', ...serverUser() });
  }
}

/** PostgreSQL refuses to run as root. */
function serverUser(): { uid: number; gid: number } | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const id = (flag: string): number => Number(execFileSync('id', [flag, 'postgres'], { encoding: 'utf8' }));
  return { uid: id('-u'), gid: id('-g') };
}
