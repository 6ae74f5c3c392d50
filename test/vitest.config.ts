import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

// `#room` is its source here, as for the compiler; `default` would be the build in dist. Vitest adds its own
// conditions to these. It runs the specs in the environment `ssr` and the global set-up in `__vitest__`.
const resolve = { conditions: ['source'] };

export default defineConfig({
  root: fileURLToPath(new URL('..', import.meta.url)),
  resolve,
  environments: { ssr: { resolve }, __vitest__: { resolve } },
  test: {
    include: ['libs/**/*.spec.ts', 'apps/**/*.spec.ts', 'test/**/*.spec.ts'],
    environment: 'node',
    globalSetup: ['test/kit/build.ts', 'test/kit/database-server.ts'],
    setupFiles: ['test/kit/reflect.ts'],
    // Processes, not threads: specs signal, wait for and measure processes.
    pool: 'forks',
    maxWorkers: 2,
    // When to give up, never what is proven: a busy machine must not decide. Specs wait for conditions, and what has a
    // bound in time is measured beside the machine itself (test/kit/stopwatch.ts).
    testTimeout: 600_000,
    hookTimeout: 600_000,
    teardownTimeout: 60_000,
    expect: { poll: { timeout: 180_000 } },
    restoreMocks: true,
  },
});
