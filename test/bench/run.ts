import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus, loadavg } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { auditedChanges } from './audited-changes.ts';
import { events } from './events.ts';
import { exports } from './export.ts';
import { type Plan, printResult, type Result } from './figures.ts';
import { footprint } from './footprint.ts';
import { canPin, ROOT } from './processes.ts';
import { projections } from './projections.ts';
import { proofs } from './proofs.ts';
import { read } from './read.ts';
import { resolutions } from './resolutions.ts';
import { revocation } from './revocation.ts';
import { rollouts } from './rollouts.ts';
import { secrets } from './secrets.ts';
import { generator } from './saturate.ts';
import { signIns } from './sign-ins.ts';
import { sinks } from './sinks.ts';
import { verification } from './verification.ts';

/** `npm run bench -- [a b c d e f g h n p r s v w] [--quick | --full] [--rounds N] [--json FILE]`; see docs/benchmarks.md. */
const benchmarks: Record<string, (plan: Plan) => Promise<Result>> = {
  a: read,
  b: signIns,
  c: revocation,
  d: auditedChanges,
  e: exports,
  f: footprint,
  g: proofs,
  n: events,
  h: sinks,
  p: projections,
  r: resolutions,
  s: secrets,
  v: verification,
  w: rollouts,
};

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    quick: { type: 'boolean', default: false },
    full: { type: 'boolean', default: false },
    rounds: { type: 'string' },
    json: { type: 'string', default: join(ROOT, '.cache/bench.json') },
  },
});
const unknown = positionals.filter((name) => !(name in benchmarks));
const rounds = Number(values.rounds ?? 3);
if (unknown.length > 0 || !Number.isInteger(rounds) || rounds < 1) {
  console.error(
    `usage: npm run bench -- [${Object.keys(benchmarks).join('|')} ...] [--quick | --full] [--rounds N] [--json FILE]`,
  );
  process.exit(2);
}

const plan: Plan = { rounds, seconds: values.quick ? 2 : 5, quick: values.quick, full: values.full };
const machine = {
  date: new Date().toISOString(),
  node: process.version,
  cpu: cpus()[0]?.model,
  cores: cpus().length,
  pinned: canPin,
  generator,
};
console.log(
  `${machine.cores} cores, ${machine.cpu}, Node ${machine.node}, load by ${generator}, ${rounds} rounds`,
);
if ((loadavg()[0] ?? 0) > 0.5) {
  console.log(
    `other work runs on this machine (load ${loadavg()[0]?.toFixed(1)}): compare ratios, not figures`,
  );
}
if (!canPin) console.log('taskset or a second core is missing: server and load share the cores');

const results: (Result & { loadBefore: number })[] = [];
for (const name of positionals.length > 0 ? positionals : Object.keys(benchmarks)) {
  const loadBefore = loadavg()[0] ?? 0;
  const result = await benchmarks[name]?.(plan);
  if (!result) continue;
  results.push({ ...result, loadBefore });
  printResult(result);
}

const file = resolve(values.json);
mkdirSync(dirname(file), { recursive: true });
writeFileSync(file, `${JSON.stringify({ machine, plan, results }, undefined, 2)}\n`);
console.log(`\nwritten to ${file}`);
const missed = results.flatMap(({ figures }) => figures.filter(({ aim }) => aim?.met === false));
if (missed.length > 0) console.log(`${missed.length} aims missed`);
