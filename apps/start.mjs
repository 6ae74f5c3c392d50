// What `npm start` runs: builds what is missing or older than the sources, then starts the product in this process.
// `node apps/start.mjs migrate` brings the database up to this build and ends.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const built = join(root, 'dist/apps/api/main.js');

if (Number(process.versions.node.split('.')[0]) < 24) {
  console.error(
    `Portcullis runs on Node 24, this is ${process.version}: start it with npm, which brings its own.`,
  );
  process.exit(1);
}

if (isStale()) {
  const compiler = join(root, 'node_modules/@typescript/native/bin/tsc');
  if (!existsSync(compiler)) {
    console.error('Portcullis is not built and the compiler is not installed: run npm ci, or npm run build.');
    process.exit(1);
  }
  const { status } = spawnSync(process.execPath, [compiler, '-p', join(root, 'tsconfig.json')], {
    stdio: 'inherit',
  });
  if (status !== 0) process.exit(status ?? 1);
}

// npm runs a script by a shell, which dies of SIGTERM and passes it on to nobody: who stops npm means the product.
const TIED = '--ends-with-parent';
if (process.argv.includes(TIED)) {
  const parent = process.ppid;
  setInterval(() => {
    if (process.ppid !== parent) process.kill(process.pid, 'SIGTERM');
  }, 250).unref();
}

const { main } = await import(built);
await main(process.argv.slice(2).filter((one) => one !== TIED));

function isStale() {
  if (!existsSync(built)) return true;
  const builtAt = statSync(built).mtimeMs;
  return ['apps', 'libs', 'migrations'].some((folder) =>
    readdirSync(join(root, folder), { recursive: true, withFileTypes: true }).some(
      (entry) => entry.name.endsWith('.ts') && statSync(join(entry.parentPath, entry.name)).mtimeMs > builtAt,
    ),
  );
}
