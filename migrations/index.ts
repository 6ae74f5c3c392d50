import type { MigrationList } from '#database';

export const migrations: MigrationList = [];
