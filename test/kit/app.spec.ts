import { existsSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import { disposeAll, type Product, startProduct } from './app.ts';
import { runningProcesses } from './processes.ts';

/** Answers /health/ready; `onTerm` is what it does at SIGTERM. */
const fake = (onTerm: string, more = ''): string[] => [
  '-e',
  `const server = require('node:http').createServer((_, answer) => answer.end('{}'));
   server.listen(process.env.PORT, process.env.HOST);
   process.on('SIGTERM', () => { ${onTerm} });
   ${more}`,
];
/** A grandchild that leaves the process group and works in the data directory, as PostgreSQL's children do. */
const database = `require('node:child_process').spawn('sleep', ['600'],
  { cwd: process.env.PORTCULLIS_DATA_DIR, detached: true, stdio: 'ignore' }).unref();`;

describe.skipIf(process.platform !== 'linux')('the kit that starts the product', () => {
  const started: Product[] = [];
  const start = async (command: string[]): Promise<Product> => {
    const product = await startProduct({ command });
    started.push(product);
    return product;
  };
  afterEach(() => disposeAll(started.splice(0)));

  it('starts, is ready, stops and leaves nothing', async () => {
    const product = await start(fake('process.exit(0)'));
    expect(product.readyAfterMs).toBeLessThan(10_000);
    expect(product.processes().map(({ pid }) => pid)).toEqual([product.pid]);
    await product.stop();
    await disposeAll([product]);
    expect(existsSync(product.dataDir)).toBe(false);
  });

  it('notices an exit code that is not 0', async () => {
    const product = await start(fake('process.exit(3)'));
    await expect(product.stop()).rejects.toThrow();
  });

  it('notices a process left behind, and ends it', async () => {
    const product = await start(fake('process.exit(0)', database));
    await expect(product.stop(1000)).rejects.toThrow('sleep 600');
    const [left] = product.processes();
    expect(left?.command).toBe('sleep 600');
    await product.dispose();
    expect(runningProcesses().some(({ pid, started: at }) => pid === left?.pid && at === left.started)).toBe(
      false,
    );
  });

  it('kills the product and leaves its database running', async () => {
    const product = await start(fake('', database));
    await product.kill9();
    expect(product.processes().map(({ command }) => command)).toEqual(['sleep 600']);
  });

  it('tells what the program said when it does not start', async () => {
    await expect(start(['-e', 'console.error("no such luck"); process.exit(1)'])).rejects.toThrow(
      'no such luck',
    );
  });
});
