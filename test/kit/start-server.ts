// A process that does what an app does with the embedded server; specs start it to kill it.
// Arguments: the data directory, and how it ends once the server runs: hold, exit, throw.
import { startEmbeddedServer } from '#database';

const [dataDir = '', ending] = process.argv.slice(2);
try {
  const server = await startEmbeddedServer({ dataDir, log: () => undefined });
  process.stdout.write(`${JSON.stringify({ outcome: server.outcome, adminUrl: server.adminUrl })}\n`);
} catch (error) {
  process.stdout.write(`${JSON.stringify({ refused: (error as Error).message })}\n`);
  process.exit(1);
}
if (ending === 'hold') setInterval(() => undefined, 60_000);
if (ending === 'throw') throw new Error('as an app that fails');
